//! The default engine on CUDA: the same noise through the same equations as on the CPU, in libtorch. On the
//! CPU it hands on to the engine that needs no libtorch.

use std::f64::consts::FRAC_PI_2;
use std::sync::{Arc, Mutex};

use once_cell::sync::OnceCell;
use tch::Tensor;

use super::super::arena::{Arena, Plan, tensor};
use super::super::device::resolve;
use super::super::graph::Recorder;
use super::super::staged::copy_out_staged;
use super::behaviour::BehaviourModule;
use super::module::FlowModule;
use crate::chain::spread;
use crate::codec::strips;
use crate::denoiser::{Architecture, time_features};
use crate::diffusion::times;
use crate::error::{Error, Result};
use crate::generator::{
    Batch, CALIBRATION_MATRIX, CALIBRATION_SHIFT, Cancel, DefaultConfig, DefaultEngine, Device,
    Engine, GeneratorFile, MOST_STEPS, Sampler,
};
use crate::layout::{Dtype, Role, TensorSpec};
use crate::noise::{Noise, Purpose};
use crate::normalize::EPSILON;

/// Devices whose copies are kept.
const CUDA_DEVICES: usize = 16;

/// Routes that are kept recorded: a request's whole batches and its last one, of two requests.
pub(super) const RECORDED: usize = 4;

/// Steps of a route that is recorded, at most: each step is some 30 kernels of the graph, and four times as many by Heun
/// with guidance.
const RECORDED_STEPS: usize = 256;

/// Networks of a batch on CUDA at most.
const CUDA_BATCH: usize = 4096;

/// The engine of both: a generator's numbers go to a device once, when it is first asked for.
pub(crate) struct OnCuda {
    cpu: DefaultEngine,
    file: Arc<GeneratorFile>,
    devices: [OnceCell<Mutex<OnDevice>>; CUDA_DEVICES],
}

impl std::fmt::Debug for OnCuda {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("OnCuda")
            .field("cpu", &self.cpu)
            .finish_non_exhaustive()
    }
}

/// Opens a generator of the default engine.
pub(crate) fn default_engine(file: Arc<GeneratorFile>) -> Result<Box<dyn Engine>> {
    Ok(Box::new(OnCuda {
        cpu: DefaultEngine::open(file.clone())?,
        file,
        devices: std::array::from_fn(|_| OnceCell::new()),
    }))
}

impl Engine for OnCuda {
    fn samplers(&self) -> &'static [Sampler] {
        self.cpu.samplers()
    }

    fn most(&self, device: Device) -> usize {
        match device {
            Device::Cpu => self.cpu.most(device),
            // Every batch launches the same kernels, whatever its size.
            Device::Cuda(_) => CUDA_BATCH,
        }
    }

    fn is_parallel(&self, device: Device) -> bool {
        device == Device::Cpu && self.cpu.is_parallel(device)
    }

    fn sample(&self, batch: &Batch, out: &mut [f32]) -> Result<()> {
        let Device::Cuda(index) = batch.options.device else {
            return self.cpu.sample(batch, out);
        };
        let cell = self.devices.get(index as usize).ok_or_else(|| {
            Error::DeviceUnavailable(format!(
                "device cuda:{index} is not one of the first {CUDA_DEVICES}; choose another or cpu"
            ))
        })?;
        let device = cell.get_or_try_init(|| {
            let device = resolve(batch.options.device)?;
            OnDevice::new(&self.file, device).map(Mutex::new)
        })?;
        let mut device = device
            .lock()
            .map_err(|_| Error::Internal("an earlier call on this device panicked".into()))?;
        device.sample(&self.cpu, &self.file, batch, out)
    }
}

/// A generator's numbers on a device.
pub(super) struct OnDevice {
    device: tch::Device,
    flow: Option<OnDeviceFlow>,
    behaviour: Option<(BehaviourModule, Arena)>,
    /// [strips, rows, width].
    decoder: Tensor,
    /// [parameters], or none when nothing was dropped.
    residual: Option<Tensor>,
    /// [parameters] each.
    mean: Tensor,
    scale: Tensor,
    steps: usize,
}

struct OnDeviceFlow {
    architecture: Architecture,
    module: FlowModule,
    arena: Arena,
    /// [width].
    gain: Tensor,
    /// [width, width] and [width].
    calibration: [Tensor; 2],
    /// What the last call asked for, where it was not recorded.
    last: Option<Route>,
    /// The latest ones at the end.
    recorded: Vec<Recorded>,
    /// Whether recording can be tried: one that failed would fail again, and leaves memory that libtorch keeps.
    records: bool,
}

/// What decides which kernels run from noise to latents.
#[derive(Clone, PartialEq)]
struct Route {
    rows: usize,
    steps: usize,
    sampler: Option<Sampler>,
    /// None without a condition.
    guidance: Option<f32>,
}

/// A route as a graph, and the tensors that it reads and writes.
struct Recorded {
    recorder: Recorder,
    route: Route,
    y: Tensor,
    features: Vec<Tensor>,
    z: Tensor,
}

impl OnDevice {
    pub(super) fn new(file: &GeneratorFile, device: tch::Device) -> Result<OnDevice> {
        let container = &file.container;
        let config: DefaultConfig = serde_json::from_value(file.about.config.clone())
            .map_err(|error| Error::corrupt(container.path(), error.to_string()))?;
        let parameters = file.about.layout.parameters();
        let [count, width] = strips(parameters);
        let put = |name: &str, shape: &[usize]| -> Result<Tensor> {
            let lengths: Vec<_> = shape.iter().copied().map(Some).collect();
            let sizes: Vec<i64> = shape.iter().map(|n| *n as i64).collect();
            tensor(&container.f32_copied(name, &lengths)?, &sizes, device)
        };
        let mut stream = Noise::new(0).stream(Purpose::Initialization, 0, 0);
        let fill = |arena: &mut Arena, parameters: Vec<(String, Vec<usize>)>| -> Result<()> {
            let mut tensors = Vec::new();
            for (name, shape) in parameters {
                let lengths: Vec<_> = shape.iter().copied().map(Some).collect();
                let values = container.f32_copied(&name, &lengths)?;
                let spec = TensorSpec::new(&name, &shape, Dtype::F32);
                tensors.push(crate::Tensor::from_f32(spec, &values));
            }
            arena.import(&tensors, "")
        };
        let behaviour = match config.behaviour {
            Some(shape) => {
                let mut plan = Plan::default();
                let module = BehaviourModule::declare(&mut plan, shape, config.latents)?;
                let mut arena = Arena::new(plan, &mut stream, device)?;
                fill(&mut arena, shape.parameters(config.latents))?;
                Some((module, arena))
            }
            None => None,
        };
        let flow = |architecture: Architecture| -> Result<OnDeviceFlow> {
            let (module, mut arena) = FlowModule::new(architecture, &mut stream, device)?;
            fill(&mut arena, architecture.parameters())?;
            let width = architecture.width;
            Ok(OnDeviceFlow {
                architecture,
                module,
                arena,
                gain: put("denoiser.gain", &[width])?,
                calibration: [
                    put(CALIBRATION_MATRIX, &[width, width])?,
                    put(CALIBRATION_SHIFT, &[width])?,
                ],
                last: None,
                recorded: Vec::new(),
                records: true,
            })
        };
        let scales = container.f32_copied(
            "normalize.scale",
            &[Some(file.about.layout.tensors().len())],
        )?;
        let ranges = file.about.layout.ranges().zip(scales);
        let scale: Vec<f32> = ranges
            .flat_map(|((_, range), scale)| std::iter::repeat_n(scale, range.len()))
            .collect();
        Ok(OnDevice {
            device,
            decoder: put("codec.decoder", &[count, config.rows(), width])?,
            flow: config.flow.map(flow).transpose()?,
            behaviour,
            residual: match config.residual {
                true => Some(put("codec.residual", &[parameters])?),
                false => None,
            },
            mean: put("normalize.mean", &[parameters])?,
            scale: tensor(&scale, &[-1], device)?,
            steps: config.steps,
        })
    }

    /// Routes that are recorded.
    #[cfg(test)]
    pub(super) fn recorded(&self) -> usize {
        self.flow.as_ref().map_or(0, |flow| flow.recorded.len())
    }

    /// What [`DefaultEngine`] does with the batch, within float32's rounding.
    pub(super) fn sample(
        &mut self,
        cpu: &DefaultEngine,
        file: &GeneratorFile,
        batch: &Batch,
        out: &mut [f32],
    ) -> Result<()> {
        let layout = &file.about.layout;
        let parameters = layout.parameters();
        let latents = cpu.latents.noise(batch, batch.options.threads)?;
        let mut z = tensor(&latents, &[batch.count as i64, -1], self.device)?;
        if let Some(flow) = &mut self.flow {
            let width = flow.architecture.width as i64;
            let rest = z.f_narrow(1, width, z.size()[1] - width)?;
            let moved = flow.run(z.f_narrow(1, 0, width)?, batch, self.steps, self.device)?;
            z = Tensor::f_cat(&[moved, rest], 1)?;
        }
        if let Some((module, arena)) = &self.behaviour {
            z = Tensor::f_cat(&module.forward(arena, z)?, 1)?;
        }
        // Strip by strip [strips, n, width], then one after another.
        let mut x = z
            .f_unsqueeze(0)?
            .f_matmul(&self.decoder)?
            .f_permute([1, 0, 2])?
            .f_reshape([batch.count as i64, -1])?
            .f_narrow(1, 0, parameters as i64)?;
        if let Some(residual) = &self.residual {
            let e = residuals(batch, parameters)?;
            let e = tensor(&e, &[-1, parameters as i64], self.device)?;
            let temperature = f64::from(batch.options.temperature);
            x = x.f_add(&e.f_mul(residual)?.f_mul_scalar(temperature)?)?;
        }
        x = x.f_mul(&self.scale)?.f_add(&self.mean)?;
        for (_, range) in layout.ranges().filter(|(t, _)| t.role == Role::RunningVar) {
            let mut part = x.f_narrow(1, range.start as i64, range.len() as i64)?;
            let variance = part.f_exp()?.f_sub_scalar(f64::from(EPSILON))?;
            part.f_copy_(&variance.f_clamp_min(0.0)?)?;
        }
        copy_out_staged(&x, out, batch.options.threads)
    }
}

/// What a batch's networks have in place of dropped components, [count, parameters]: drawn here, by as many threads as
/// the request names.
fn residuals(batch: &Batch, parameters: usize) -> Result<Vec<f32>> {
    let mut e = vec![0.0; batch.count * parameters];
    let rows = e.chunks_exact_mut(parameters).zip(batch.first..);
    spread(rows, batch.options.threads, |(row, sample)| {
        batch.noise().normal(Purpose::Residual, sample, 0, row);
        Ok(())
    })?;
    Ok(e)
}

impl OnDeviceFlow {
    /// Moves noise `y` [n, width] to latents. What is asked for a second time in a row is recorded, and then
    /// replayed: many launches become one.
    fn run(
        &mut self,
        y: Tensor,
        batch: &Batch,
        steps: usize,
        device: tch::Device,
    ) -> Result<Tensor> {
        let steps = batch.options.steps.unwrap_or(steps);
        if steps > MOST_STEPS {
            return Err(Error::invalid(format!(
                "{steps} sampling steps on CUDA; ask for {MOST_STEPS} at most"
            )));
        }
        let route = Route {
            rows: batch.count,
            steps,
            sampler: batch.options.sampler,
            guidance: batch.condition.is_some().then_some(batch.options.guidance),
        };
        let features = self.features(batch, &route, device)?;
        if let Some(recorded) = self.recorded.iter_mut().find(|other| other.route == route) {
            recorded.y.f_copy_(&y)?;
            for (to, from) in recorded.features.iter_mut().zip(&features) {
                to.f_copy_(from)?;
            }
            recorded.recorder.replay()?;
            return Ok(recorded.z.shallow_clone());
        }
        // Laid out as it is recorded, so that the kernels are the same and loaded by then.
        let y = y.f_contiguous()?;
        let z = self.pass(&y, &features, &route, batch.cancel)?;
        if self.records && steps <= RECORDED_STEPS && self.last.as_ref() == Some(&route) {
            self.record(route, y, features, batch.cancel, device);
        } else {
            self.last = Some(route);
        }
        Ok(z)
    }

    /// Records a route for the next time, or leaves it where that cannot be done.
    fn record(
        &mut self,
        route: Route,
        y: Tensor,
        features: Vec<Tensor>,
        cancel: &Cancel,
        device: tch::Device,
    ) {
        let Some(mut recorder) = Recorder::open(device) else {
            self.records = false;
            return;
        };
        let mut moved = None;
        let done = recorder.record(|| {
            moved = Some(self.pass(&y, &features, &route, cancel)?);
            Ok(())
        });
        match (done, moved) {
            (Ok(()), Some(z)) => {
                if self.recorded.len() == RECORDED {
                    self.recorded.remove(0);
                }
                self.recorded.push(Recorded {
                    recorder,
                    route,
                    y,
                    features,
                    z,
                });
            }
            (Err(Error::Cancelled), _) => {}
            _ => self.records = false,
        }
    }

    /// The embedding's inputs at all times of a route [steps + 1, inputs]: with the condition, and where there is guidance
    /// also without. They go to the device once.
    fn features(&self, batch: &Batch, route: &Route, device: tch::Device) -> Result<Vec<Tensor>> {
        let inputs = self.architecture.embedding_inputs();
        let at_all = |condition: Option<&[f32]>| -> Result<Tensor> {
            let mut features = Vec::with_capacity((route.steps + 1) * inputs);
            // Heun looks at the end too.
            for theta in times(0.0, FRAC_PI_2, route.steps).chain([FRAC_PI_2]) {
                let begin = features.len();
                features.extend(time_features(theta));
                if let Some(condition) = condition {
                    features.extend_from_slice(condition);
                    features.push(1.0);
                }
                features.resize(begin + inputs, 0.0);
            }
            tensor(&features, &[-1, inputs as i64], device)
        };
        let mut features = vec![at_all(batch.condition.as_deref())?];
        if route.guidance.is_some_and(|guidance| guidance != 1.0) {
            features.push(at_all(None)?);
        }
        Ok(features)
    }

    /// From noise `y` [n, width] to latents, launch by launch.
    fn pass(
        &self,
        y: &Tensor,
        features: &[Tensor],
        route: &Route,
        cancel: &Cancel,
    ) -> Result<Tensor> {
        let h = FRAC_PI_2 / route.steps as f64;
        let velocity = |y: &Tensor, step| self.guided(y, features, route, step);
        let mut y = y.shallow_clone();
        let mut before: Option<Tensor> = None;
        for i in 0..route.steps {
            cancel.check()?;
            let d = velocity(&y, i)?;
            let slope = match (route.sampler, &before) {
                (Some(Sampler::Euler), _) => d.shallow_clone(),
                (Some(Sampler::Heun), _) => {
                    let next = velocity(&y.f_add(&d.f_mul_scalar(h)?)?, i + 1)?;
                    d.f_add(&next)?.f_mul_scalar(0.5)?
                }
                (_, Some(before)) => d.f_mul_scalar(1.5)?.f_sub(&before.f_mul_scalar(0.5)?)?,
                (_, None) => d.shallow_clone(),
            };
            y = y.f_add(&slope.f_mul_scalar(h)?)?;
            before = Some(d);
        }
        let [matrix, shift] = &self.calibration;
        Ok(y.f_matmul(matrix)?.f_add(shift)?)
    }

    /// The velocity at the time of a step.
    fn guided(
        &self,
        y: &Tensor,
        features: &[Tensor],
        route: &Route,
        step: usize,
    ) -> Result<Tensor> {
        let at = |features: &Tensor| -> Result<Tensor> {
            let features = features.f_narrow(0, step as i64, 1)?;
            let velocity = self.module.velocity(&self.arena, y, &features)?;
            Ok(velocity.f_mul(&self.gain)?)
        };
        let plain = at(&features[0])?;
        let (Some(free), Some(guidance)) = (features.get(1), route.guidance) else {
            return Ok(plain);
        };
        let free = at(free)?;
        Ok(free.f_add(&plain.f_sub(&free)?.f_mul_scalar(f64::from(guidance))?)?)
    }
}
