//! Many networks on their way from a CUDA device: into ordinary memory the driver copies piece by piece through memory
//! of its own, on one processor; through page-locked memory a device writes at its full rate. So threads take parts of
//! the result, each with one page-locked piece, and while one copies from its piece the device writes another's.

use tch::{Device, Kind, Tensor};

use super::arena::{copy_out, slice_mut};
use crate::chain::spread;
use crate::error::Result;

/// Numbers of a piece: 4 MiB of page-locked memory for each thread, which libtorch keeps for the next time.
const PIECE: usize = 1 << 20;
/// Threads at most, which copy faster than a device writes: 32 MiB in all.
const MOST: usize = 8;

/// Copies a tensor on any device to `out`, which has as many elements, by so many threads; 0: as many as there are cores.
pub(super) fn copy_out_staged(tensor: &Tensor, out: &mut [f32], threads: usize) -> Result<()> {
    let device = tensor.device();
    if device == Device::Cpu || out.len() < 2 * PIECE || tensor.numel() != out.len() {
        return copy_out(tensor, out);
    }
    let flat = tensor.f_detach()?.f_contiguous()?.f_view([-1])?;
    // Other threads copy on their own current stream, which does not wait for this one's where a host has set one.
    flat.f_double_value(&[0])?;
    let threads = match threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    }
    .min(MOST)
    .min(out.len() / PIECE);
    let length = out.len().div_ceil(threads);
    let parts: Result<Vec<_>> = out
        .chunks_mut(length)
        .enumerate()
        .map(|(i, part)| {
            let from = flat.f_narrow(0, (i * length) as i64, part.len() as i64)?;
            Ok((from, part))
        })
        .collect();
    spread(parts?.into_iter(), threads, |(from, part)| {
        let piece = Tensor::f_empty([PIECE as i64], (Kind::Float, Device::Cpu))?;
        // Where no memory can be locked, the driver's way.
        let Ok(piece) = piece.f_internal_pin_memory(device) else {
            return copy_out(&from, part);
        };
        for (i, numbers) in part.chunks_mut(PIECE).enumerate() {
            let count = numbers.len() as i64;
            let mut staged = piece.f_narrow(0, 0, count)?;
            staged.f_copy_(&from.f_narrow(0, (i * PIECE) as i64, count)?)?;
            numbers.copy_from_slice(slice_mut(&mut staged)?);
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torch::device::cuda_or_skip;

    #[test]
    fn every_number_of_a_part_arrives_from_cuda() {
        let Some(device) = cuda_or_skip() else {
            return;
        };
        // Parts of a whole number of pieces and others.
        for (count, threads) in [(7 * PIECE + 5, 3), (2 * PIECE, 0), (PIECE, 2), (3, 1)] {
            let numbers = Tensor::f_arange(count as i64, (Kind::Float, device)).unwrap();
            let mut out = vec![-1.0; count];
            copy_out_staged(&numbers, &mut out, threads).unwrap();
            assert!(out.iter().zip(0..).all(|(x, i)| *x == i as f32), "{count}");
        }
    }
}
