//! What the next steps of a training learn from: drawn on the host, by the noise that is the same for every device, and
//! put on the device some steps at a time.

use tch::{Device, Kind, Tensor};

use super::arena::tensor;
use crate::error::{Error, Result};

/// Tensors of some steps on the device, read at a counter that lies there too, so that reading them is the same work at
/// every step.
pub(super) struct StepInputs {
    /// [steps, ...] each.
    parts: Vec<Tensor>,
    /// The step that is next, [1].
    next: Tensor,
}

impl StepInputs {
    /// Room for so many steps of tensors of these sizes.
    pub fn new(steps: usize, sizes: &[&[usize]], device: Device) -> Result<StepInputs> {
        let room = |sizes: &&[usize]| {
            let whole: Vec<i64> = std::iter::once(&steps)
                .chain(*sizes)
                .map(|n| *n as i64)
                .collect();
            Ok(Tensor::f_zeros(whole, (Kind::Float, device))?)
        };
        Ok(StepInputs {
            parts: sizes.iter().map(room).collect::<Result<_>>()?,
            next: Tensor::f_zeros([1], (Kind::Int64, device))?,
        })
    }

    /// Puts the next steps' numbers there, each part's one step after the other.
    pub fn fill(&mut self, drawn: &[&[f32]]) -> Result<()> {
        if drawn.len() != self.parts.len() {
            return Err(Error::Internal(format!(
                "{} parts of a step's inputs in place of {}",
                drawn.len(),
                self.parts.len()
            )));
        }
        for (part, numbers) in self.parts.iter().zip(drawn) {
            let numbers = tensor(numbers, &[-1], Device::Cpu)?;
            part.f_view([-1])?
                .f_narrow(0, 0, numbers.size()[0])?
                .f_copy_(&numbers)?;
        }
        let _ = self.next.f_zero_()?;
        Ok(())
    }

    /// The next step's tensors.
    pub fn next(&mut self) -> Result<Vec<Tensor>> {
        let at = |part: &Tensor| Ok(part.f_index_select(0, &self.next)?.f_squeeze_dim(0)?);
        let parts = self.parts.iter().map(at).collect();
        let _ = self.next.f_add_scalar_(1)?;
        parts
    }
}
