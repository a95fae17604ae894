//! The networks that sampling runs: the flow, a residual perceptron with feature-wise conditioning, and
//! the one that a behaviour loss taught.

mod behaviour;
mod dense;
mod flow;

pub(crate) use behaviour::{Behaviour, BehaviourShape};
pub(crate) use flow::{Architecture, EPSILON, Flow, Guided, time_features};
