//! The default engine's denoiser: a residual perceptron with feature-wise conditioning.

mod flow;

pub(crate) use flow::{Architecture, EPSILON, Flow, Guided, time_features};
