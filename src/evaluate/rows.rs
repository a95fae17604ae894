//! Networks as rows of numbers, read one at a time, so that a set need not fit in memory.

use crate::error::{Error, Result};

/// A set of networks, each one row of `width` float32 numbers.
///
/// Zoo, samples and baselines are all judged through this trait; reading a row twice gives the
/// same numbers.
pub trait Rows {
    /// Networks in the set.
    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Parameters of one network.
    fn width(&self) -> usize;

    /// Writes network `row` to `out`, which has `width` elements.
    fn read(&self, row: usize, out: &mut [f32]) -> Result<()>;
}

/// Rows that do fit in memory, one after another.
#[derive(Clone, Debug)]
pub struct Matrix {
    width: usize,
    data: Vec<f32>,
}

impl Matrix {
    /// `data` is [rows, width], row-major. Fails unless it holds whole rows.
    pub fn new(width: usize, data: Vec<f32>) -> Result<Matrix> {
        if width == 0 || !data.len().is_multiple_of(width) {
            return Err(Error::invalid(format!(
                "{} numbers are no whole rows of {width}; pass [rows, width]",
                data.len()
            )));
        }
        Ok(Matrix { width, data })
    }

    fn slice(&self) -> Slice<'_> {
        Slice::new(self.width, &self.data)
    }

    /// One network's numbers.
    pub(super) fn row(&self, row: usize) -> &[f32] {
        &self.data[row * self.width..][..self.width]
    }

    pub(super) fn row_mut(&mut self, row: usize) -> &mut [f32] {
        &mut self.data[row * self.width..][..self.width]
    }

    /// Reads every row of `rows` once.
    pub fn from_rows(rows: &dyn Rows) -> Result<Matrix> {
        let width = rows.width();
        let mut data = vec![0.0; rows.len() * width];
        for (row, out) in data.chunks_exact_mut(width.max(1)).enumerate() {
            rows.read(row, out)?;
        }
        Matrix::new(width, data)
    }
}

impl Rows for Matrix {
    fn len(&self) -> usize {
        self.slice().len()
    }

    fn width(&self) -> usize {
        self.width
    }

    fn read(&self, row: usize, out: &mut [f32]) -> Result<()> {
        self.slice().read(row, out)
    }
}

/// Rows in somebody else's memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slice<'a> {
    width: usize,
    data: &'a [f32],
}

impl<'a> Slice<'a> {
    /// `data` is whole rows of `width`, row-major.
    pub(crate) fn new(width: usize, data: &'a [f32]) -> Slice<'a> {
        Slice { width, data }
    }
}

impl Rows for Slice<'_> {
    fn len(&self) -> usize {
        self.data.len() / self.width
    }

    fn width(&self) -> usize {
        self.width
    }

    fn read(&self, row: usize, out: &mut [f32]) -> Result<()> {
        out.copy_from_slice(&self.data[row * self.width..][..self.width]);
        Ok(())
    }
}

/// A change of coordinates, in place, of one network [width].
pub type Restore<'a> = dyn Fn(&mut [f32]) -> Result<()> + 'a;

/// Rows after a change of coordinates, such as from normalized weights to a network's own.
pub struct Restored<'a> {
    pub rows: &'a dyn Rows,
    pub restore: &'a Restore<'a>,
}

impl Rows for Restored<'_> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn width(&self) -> usize {
        self.rows.width()
    }

    fn read(&self, row: usize, out: &mut [f32]) -> Result<()> {
        self.rows.read(row, out)?;
        (self.restore)(out)
    }
}
