//! Principal components as a codec: `x = A z + r e`, with latents `z` of unit variance.
//!
//! With as many components as the collection spans, every snapshot is decoded exactly and `r` is
//! zero. Where components were dropped, `r` holds each parameter's left-over deviation and `e` is
//! standard normal, so that samples keep the collection's variance (probabilistic principal
//! components, Tipping and Bishop 1999).
//!
//! `A` lies in strips of parameters, each [latents, width] and decoded on its own: a strip's product
//! stays in the cache, and both one network and many read it in the order in which it lies. The last
//! strip is filled up with zeros.

use std::ops::Range;

use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::noise::{Noise, Purpose, Stream};
use crate::product;

/// Parameters of a strip, in a network that has as many.
const STRIP: usize = 1024;

/// Numbers of a decoder from which on several threads are worth starting for one network: half a
/// millisecond's.
const WORTH_THREADS: usize = 1 << 22;

/// How many strips the decoder of a network has, and the width of each.
pub(crate) fn strips(parameters: usize) -> [usize; 2] {
    let width = parameters.clamp(1, STRIP);
    [parameters.div_ceil(width), width]
}

/// `A`, [strips, latents, width], as it is stored.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Decoder<'a> {
    Full(&'a [f32]),
    /// Rounded to 11 bits: one part in 2,000 of a component's share in a weight.
    Half(&'a [f16]),
}

impl<'a> Decoder<'a> {
    /// The numbers of a strip, put into `room` where they are not float32.
    fn strip<'r>(self, range: Range<usize>, room: &'r mut Vec<f32>) -> &'r [f32]
    where
        'a: 'r,
    {
        match self {
            Decoder::Full(numbers) => &numbers[range],
            Decoder::Half(numbers) => {
                room.resize(range.len(), 0.0);
                numbers[range].convert_to_f32_slice(room);
                room
            }
        }
    }
}

/// The codec, borrowed from wherever its numbers live.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Components<'a> {
    pub decoder: Decoder<'a>,
    /// `r`, [parameters], or empty when nothing was dropped.
    pub residual: &'a [f32],
    /// Latents per network.
    pub latents: usize,
    /// Numbers of a network.
    pub parameters: usize,
}

/// Gets a strip's parameters, and networks from the first of them on.
pub(crate) type Finish<'a> = dyn Fn(Range<usize>, &mut [f32]) + Sync + 'a;

/// What the residual's `e` is drawn by.
pub(crate) struct Drawn {
    /// Keyed by the samples' numbers, from `first` on.
    pub noise: Noise,
    pub first: u64,
    /// Scale of the noise.
    pub temperature: f32,
}

impl Components<'_> {
    /// Decodes latents [n, latents] to normalized weights [n, parameters]; `finish` gets each strip
    /// while it is in the cache. The strips of one large network are shared among `threads`; its bytes
    /// are the same for any number of them.
    pub(crate) fn decode(
        &self,
        latents: &[f32],
        drawn: &Drawn,
        threads: usize,
        out: &mut [f32],
        finish: &Finish,
    ) {
        let [count, width] = strips(self.parameters);
        let samples = latents.len() / self.latents;
        let mut streams: Vec<Stream> = match self.residual.is_empty() {
            true => Vec::new(),
            false => (drawn.first..)
                .take(samples)
                .map(|sample| drawn.noise.stream(Purpose::Residual, sample, 0))
                .collect(),
        };
        // A stream of noise runs through all strips.
        let shared =
            samples == 1 && streams.is_empty() && self.latents * self.parameters >= WORTH_THREADS;
        if !shared || threads <= 1 {
            self.decode_strips(
                0..count,
                latents,
                (&mut streams, drawn.temperature),
                out,
                finish,
            );
            return;
        }
        let each = count.div_ceil(threads);
        std::thread::scope(|scope| {
            for (part, out) in out.chunks_mut(each * width).enumerate() {
                let range = part * each..count.min((part + 1) * each);
                scope.spawn(move || {
                    self.decode_strips(range, latents, (&mut [], drawn.temperature), out, finish);
                });
            }
        });
    }

    /// Strips `range`, from whose first parameter on `out` has the networks.
    fn decode_strips(
        &self,
        range: Range<usize>,
        latents: &[f32],
        (streams, temperature): (&mut [Stream], f32),
        out: &mut [f32],
        finish: &Finish,
    ) {
        let (k, parameters) = (self.latents, self.parameters);
        let [_, width] = strips(parameters);
        let begin = range.start * width;
        let (mut room, mut packed, mut e) = (Vec::new(), Vec::new(), vec![0.0; width]);
        for index in range {
            let numbers = index * k * width..(index + 1) * k * width;
            let strip = self.decoder.strip(numbers, &mut room);
            let start = index * width;
            let columns = width.min(parameters - start);
            let out = &mut out[start - begin..];
            let to = (&mut *out, parameters);
            product::times_again(latents, k, strip, columns, to, &mut packed);
            for (row, stream) in out.chunks_mut(parameters).zip(&mut *streams) {
                stream.normal(&mut e[..columns]);
                let residual = &self.residual[start..];
                for ((x, r), e) in row[..columns].iter_mut().zip(residual).zip(&e) {
                    *x += temperature * r * e;
                }
            }
            finish(start..start + columns, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoder_of_half_the_size_decodes_to_eleven_bits() {
        let (latents, parameters) = (3, STRIP + 5);
        let [count, width] = strips(parameters);
        let noise = Noise::new(1);
        let mut numbers = vec![0.0; count * latents * width];
        noise.normal(Purpose::Training, 0, 0, &mut numbers);
        let half: Vec<f16> = numbers.iter().map(|x| f16::from_f32(*x)).collect();
        let mut z = vec![0.0; 9 * latents];
        noise.normal(Purpose::Training, 1, 0, &mut z);
        let drawn = Drawn {
            noise,
            first: 0,
            temperature: 1.0,
        };
        let decoded = |decoder| {
            let components = Components {
                decoder,
                residual: &[],
                latents,
                parameters,
            };
            let mut out = vec![0.0; 9 * parameters];
            components.decode(&z, &drawn, 1, &mut out, &|_, _| {});
            out
        };
        let (full, rounded) = (
            decoded(Decoder::Full(&numbers)),
            decoded(Decoder::Half(&half)),
        );
        assert!(full != rounded);
        for (row, (full, rounded)) in full.iter().zip(&rounded).enumerate() {
            let z = &z[row / parameters * latents..][..latents];
            let most: f32 = z.iter().map(|z| z.abs() * 4.0 / 2048.0).sum();
            assert!((full - rounded).abs() <= most, "{full} {rounded}");
        }
    }
    #[test]
    fn a_large_network_is_the_same_bytes_on_any_number_of_threads() {
        let (latents, parameters) = (32, WORTH_THREADS / 32 + 7);
        let [count, width] = strips(parameters);
        let noise = Noise::new(2);
        let mut numbers = vec![0.0; count * latents * width];
        noise.normal(Purpose::Training, 0, 0, &mut numbers);
        let components = Components {
            decoder: Decoder::Full(&numbers),
            residual: &[],
            latents,
            parameters,
        };
        let drawn = Drawn {
            noise,
            first: 0,
            temperature: 1.0,
        };
        let on = |threads| {
            let mut out = vec![0.0; parameters];
            let add = |strip: Range<usize>, out: &mut [f32]| {
                out[..strip.len()]
                    .iter_mut()
                    .for_each(|x| *x += strip.start as f32);
            };
            components.decode(&numbers[..latents], &drawn, threads, &mut out, &add);
            out
        };
        let one = on(1);
        assert!(on(2) == one && on(3) == one && on(1000) == one);
    }
}
