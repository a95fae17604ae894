//! Judging generated networks honestly: every figure stands beside what unseen members of the zoo
//! and the trivial baselines show.

mod baselines;
mod benchmark;
mod beside;
mod choice;
mod command;
mod ensemble;
mod evaluation;
mod generated;
mod number;
mod overlap;
mod plan;
mod polish;
mod principal;
mod program;
mod reference;
mod report;
mod rows;
mod score;
mod start;
mod summary;
mod table;
mod verdict;

pub use baselines::{Baseline, Budget, Method, STRENGTHS};
pub use benchmark::{Options, Progress, Sets, TAUS, evaluate, novel_and_performing};
pub use beside::Beside;
pub use command::{CommandScorer, WriteNetwork};
pub use ensemble::{Ensemble, MEMBERS};
pub use evaluation::{Evaluation, Kind, Points, Row};
pub use generated::{Judged, evaluate_generator};
pub use overlap::{Errors, mean_maximum, mean_maximum_leave_one_out, mean_pairwise};
pub use polish::CommandPolisher;
pub use principal::Principal;
pub use reference::{Placement, Reference};
pub use report::{Page, html};
pub(crate) use rows::Slice;
pub use rows::{Matrix, Restore, Restored, Rows};
pub use score::{Score, Scored, Scorer, Tally};
pub use summary::{Summary, best_of, median};
pub use table::{legend, markdown, text};
pub use verdict::{DISPERSION, Tone, Verdict, verdicts};
