//! What a chain runs in: the numbers between its steps, and how examples come in.

use std::fmt;
use std::ops::Range;
use std::sync::Mutex;

use crate::chain::ops::Scratch;

/// Examples that are turned over at once: their numbers fill whole lines of the cache.
pub(super) const TILE: usize = 16;
/// Features of each example that are turned over at once.
const WHOLE: usize = 8;

/// Workspaces that are not in use. Memory that goes back to the system and is taken anew for each network
/// costs more than running a small one in it.
#[derive(Default)]
pub(super) struct Pool(pub(super) Mutex<Vec<Workspace>>);

/// They say nothing of what a runner computes.
impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("Pool")
    }
}

/// A copy of a runner begins with none.
impl Clone for Pool {
    fn clone(&self) -> Pool {
        Pool::default()
    }
}

/// Numbers between the steps, [features, examples of a chunk].
#[derive(Default)]
pub(super) struct Workspace {
    /// The inputs, and the outputs of each step.
    pub(super) values: Vec<Vec<f32>>,
    /// The loss's gradient above and below a step.
    pub(super) slopes: [Vec<f32>; 2],
    pub(super) scratch: Scratch,
}

impl Workspace {
    /// Takes in some of the examples.
    pub(super) fn enter(&mut self, examples: Rows, inputs: usize, chunk: Range<usize>) {
        let count = chunk.len();
        let first = &mut self.values[0];
        first.resize(count * inputs, 0.0);
        // In tiles: a whole example's numbers would each go to another line of the cache.
        for start in (0..count).step_by(TILE) {
            let together = start..count.min(start + TILE);
            let rows = together
                .clone()
                .map(|at| examples.get(chunk.start + at, inputs));
            let rows: Vec<&[f32]> = rows.collect();
            let mut turned = 0;
            if let Some(tile) = rows.first_chunk() {
                turned = inputs - inputs % WHOLE;
                for block in 0..turned / WHOLE {
                    turn(
                        tile,
                        block,
                        &mut first[block * WHOLE * count + start..],
                        count,
                    );
                }
            }
            for feature in turned..inputs {
                let out = &mut first[feature * count..][together.clone()];
                for (out, row) in out.iter_mut().zip(&rows) {
                    *out = row[feature];
                }
            }
        }
    }
}

/// Writes a block of `WHOLE` features of each example to `out`, a feature's examples together and the features `count`
/// apart. Of so many numbers at once the compiler makes shuffles of vectors.
fn turn(rows: &[&[f32]; TILE], block: usize, out: &mut [f32], count: usize) {
    let tile = rows.map(|row| &row.as_chunks::<WHOLE>().0[block]);
    for (feature, out) in out.chunks_mut(count).take(WHOLE).enumerate() {
        for (out, features) in out[..TILE].iter_mut().zip(tile) {
            *out = features[feature];
        }
    }
}

/// Examples of a call.
#[derive(Clone, Copy)]
pub(crate) enum Rows<'a> {
    /// [examples, inputs]
    All(&'a [f32]),
    /// Those at some places.
    At(&'a [f32], &'a [u32]),
}

impl<'a> Rows<'a> {
    pub(super) fn len(&self, inputs: usize) -> usize {
        match self {
            Rows::All(examples) => examples.len() / inputs,
            Rows::At(_, places) => places.len(),
        }
    }

    pub(super) fn get(&self, at: usize, inputs: usize) -> &'a [f32] {
        match self {
            Rows::All(examples) => &examples[at * inputs..][..inputs],
            Rows::At(examples, places) => &examples[places[at] as usize * inputs..][..inputs],
        }
    }
}

/// The first numbers of a buffer, which grows where it has fewer.
pub(super) fn room(buffer: &mut Vec<f32>, count: usize) -> &mut [f32] {
    if buffer.len() < count {
        buffer.resize(count, 0.0);
    }
    &mut buffer[..count]
}
