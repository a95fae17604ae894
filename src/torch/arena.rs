//! Named tensors side by side in one flat buffer, so that the optimizer and a checkpoint each
//! touch a single tensor.

use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};
use crate::layout::{Dtype, TensorSpec};
use crate::noise::Stream;

/// Tensors start at multiples of 64 bytes, where vector loads are aligned.
const ALIGNMENT: usize = 16;

/// A tensor's place in an [`Arena`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot(usize);

/// What a tensor holds at first.
pub(crate) enum Init {
    /// Evenly distributed in ±bound.
    Uniform(f64),
    Constant(f32),
}

/// The tensors that an arena is going to hold, in order.
#[derive(Default)]
pub(crate) struct Plan(Vec<(TensorSpec, Init)>);

impl Plan {
    pub fn declare(&mut self, name: String, shape: &[usize], init: Init) -> Slot {
        self.0
            .push((TensorSpec::new(name, shape, Dtype::F32), init));
        Slot(self.0.len() - 1)
    }
}

/// Float32 tensors in one buffer.
pub(crate) struct Arena {
    specs: Vec<TensorSpec>,
    flat: Tensor,
    views: Vec<Tensor>,
    /// Room for gradients, which would take a new page for every few numbers at every step.
    gradient: Tensor,
    gradient_views: Vec<Tensor>,
    /// What products round their operands to.
    products: Kind,
}

impl Arena {
    /// All tensors at their initial values, drawn from `stream` in the plan's order.
    pub fn new(plan: Plan, stream: &mut Stream, device: Device) -> Result<Arena> {
        let mut values = Vec::new();
        for (spec, init) in &plan.0 {
            values.extend((0..spec.count()).map(|_| match init {
                Init::Uniform(bound) => ((2.0 * stream.uniform() - 1.0) * bound) as f32,
                Init::Constant(value) => *value,
            }));
            values.resize(values.len().next_multiple_of(ALIGNMENT), 0.0);
        }
        let flat = Tensor::f_from_slice(&values)?.f_to(device)?;
        let specs: Vec<TensorSpec> = plan.0.into_iter().map(|(spec, _)| spec).collect();
        let gradient = flat.f_zeros_like()?;
        Ok(Arena {
            views: views(&specs, &flat)?,
            gradient_views: views(&specs, &gradient)?,
            specs,
            flat,
            gradient,
            products: Kind::Float,
        })
    }

    pub fn get(&self, slot: Slot) -> &Tensor {
        &self.views[slot.0]
    }

    /// Has products round their operands to a kind, as autocast does; everything else stays float32.
    pub fn round_products(&mut self, kind: Kind) {
        self.products = kind;
    }

    /// A tensor as a product takes it.
    pub fn operand(&self, slot: Slot) -> Result<Tensor> {
        self.rounded(self.get(slot))
    }

    /// What a product with the arena's tensors takes beside them.
    pub fn rounded(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_to_kind(self.products)?)
    }

    /// Whether operations on the tensors are recorded for gradients.
    pub fn track(&mut self, on: bool) -> Result<()> {
        for view in &mut self.views {
            let _ = view.f_requires_grad_(on)?;
        }
        Ok(())
    }

    /// Gradients of a scalar in the buffer's order, until they are asked for again; zero where the scalar does
    /// not depend on a tensor.
    pub fn gradients(&mut self, loss: &Tensor) -> Result<Tensor> {
        let gradients = Tensor::f_run_backward(&[loss], &self.views, false, false)?;
        for (view, gradient) in self.gradient_views.iter_mut().zip(&gradients) {
            match gradient.defined() {
                true => view.f_copy_(gradient)?,
                false => _ = view.f_zero_()?,
            }
        }
        Ok(self.gradient.shallow_clone())
    }

    /// The buffer; writing to it changes the tensors.
    pub fn flat(&mut self) -> &mut Tensor {
        &mut self.flat
    }

    /// A copy of the buffer.
    pub fn copy(&self) -> Result<Tensor> {
        let mut copy = self.zeros()?;
        copy.f_copy_(&self.flat.f_detach()?)?;
        Ok(copy)
    }

    /// A buffer of the same length, of zeros.
    pub fn zeros(&self) -> Result<Tensor> {
        Ok(self.flat.f_zeros_like()?)
    }

    /// Copies of all tensors, with `prefix` before their names.
    pub fn export(&self, prefix: &str) -> Result<Vec<crate::Tensor>> {
        self.export_buffer(&self.flat, prefix)
    }

    /// Sets all tensors from those of [`Arena::export`].
    pub fn import(&mut self, tensors: &[crate::Tensor], prefix: &str) -> Result<()> {
        self.import_buffer(&self.flat, tensors, prefix)
    }

    /// Copies of what a buffer of the same length holds, cut and named as this arena's tensors.
    pub fn export_buffer(&self, flat: &Tensor, prefix: &str) -> Result<Vec<crate::Tensor>> {
        let parts = views(&self.specs, flat)?;
        let mut tensors = Vec::with_capacity(parts.len());
        for (spec, part) in self.specs.iter().zip(&parts) {
            let mut spec = spec.clone();
            spec.name.insert_str(0, prefix);
            let mut values = vec![0.0; spec.count()];
            copy_out(part, &mut values)?;
            tensors.push(crate::Tensor::from_f32(spec, &values));
        }
        Ok(tensors)
    }

    /// Fills a buffer of the same length from the tensors of [`Arena::export_buffer`].
    pub fn import_buffer(
        &self,
        flat: &Tensor,
        tensors: &[crate::Tensor],
        prefix: &str,
    ) -> Result<()> {
        for (spec, mut part) in self.specs.iter().zip(views(&self.specs, flat)?) {
            let name = format!("{prefix}{}", spec.name);
            let found = tensors
                .iter()
                .find(|t| t.spec.name == name)
                .ok_or_else(|| Error::Mismatch(format!("tensor {name} is missing; train again")))?;
            if found.spec.shape != spec.shape || found.spec.dtype != Dtype::F32 {
                return Err(Error::Mismatch(format!(
                    "tensor {name} is {:?} of {:?} and must be {:?} of F32; train again",
                    found.spec.shape, found.spec.dtype, spec.shape
                )));
            }
            let mut values = vec![0.0; spec.count()];
            found.to_f32(&mut values);
            part.f_copy_(&Tensor::f_from_slice(&values)?.f_view_(shape(spec))?)?;
        }
        Ok(())
    }
}

fn shape(spec: &TensorSpec) -> Vec<i64> {
    spec.shape.iter().map(|&n| n as i64).collect()
}

/// Each tensor's part of the buffer, in its shape.
fn views(specs: &[TensorSpec], flat: &Tensor) -> Result<Vec<Tensor>> {
    let mut offset = 0;
    let mut views = Vec::with_capacity(specs.len());
    for spec in specs {
        let part = flat.f_narrow(0, offset as i64, spec.count() as i64)?;
        views.push(part.f_view_(shape(spec))?.f_detach()?);
        offset += spec.count().next_multiple_of(ALIGNMENT);
    }
    Ok(views)
}

/// Copies a tensor on any device to `out`, which has as many elements.
pub(crate) fn copy_out(tensor: &Tensor, out: &mut [f32]) -> Result<()> {
    let tensor = tensor.f_detach()?.f_contiguous()?;
    let size = tensor.size();
    if tensor.numel() != out.len() {
        return Err(Error::Internal(format!(
            "a tensor {size:?} for {} elements",
            out.len()
        )));
    }
    // A view of `out`, so that a device writes there and not to a tensor in between.
    // SAFETY: it has as many elements of float32, and the view goes before the borrow ends.
    #[allow(unsafe_code)]
    let mut view = unsafe {
        Tensor::f_from_blob(
            out.as_mut_ptr().cast(),
            &size,
            &[],
            Kind::Float,
            Device::Cpu,
        )
    }?;
    view.f_copy_(&tensor)?;
    Ok(())
}

/// What a contiguous tensor of float32 on the processor holds.
pub(crate) fn slice_mut(tensor: &mut Tensor) -> Result<&mut [f32]> {
    if (tensor.device(), tensor.kind()) != (Device::Cpu, Kind::Float) || !tensor.is_contiguous() {
        return Err(Error::Internal(format!("{tensor:?} is read in place")));
    }
    // SAFETY: it has as many elements of float32 side by side, and the slice ends with the borrow.
    #[allow(unsafe_code)]
    Ok(unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) })
}

/// Values as a tensor of a shape on a device.
pub(crate) fn tensor(values: &[f32], shape: &[i64], device: Device) -> Result<Tensor> {
    Ok(Tensor::f_from_slice(values)?.f_view_(shape)?.f_to(device)?)
}
