//! CUDA graphs: a step that is the same every time, launched as one. What libtorch offers for it is C++, and
//! its library is in the process only where a GPU is asked for, so src/torch/graph.cpp is a shared object of
//! its own, which this library carries and loads from memory.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use once_cell::sync::OnceCell;

use crate::error::{Error, Result};

/// graph.cpp as build.rs made it; empty where there were no headers of CUDA.
static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/graph.so"));
/// Characters of a C++ exception's message.
const MESSAGE: usize = 512;
/// One thread at a time begins, ends or frees a recording: libtorch's random generator keeps a list of them that has no
/// lock of its own.
static RECORDING: Mutex<()> = Mutex::new(());

/// Of all recorders, for tests.
#[cfg(test)]
pub(super) static REPLAYS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

type Call = unsafe extern "C" fn(*mut c_void, *mut c_char, usize) -> c_int;

/// Runs of a step before it is recorded, in which libtorch sets up what it needs on the device.
const LAUNCHED: u64 = 3;

/// A step that is the same work every time: launched at first, then recorded and replayed, where its device can.
pub(super) struct RecordedStep {
    recorder: Option<Recorder>,
    launched: u64,
    not_recorded: Option<Error>,
}

impl RecordedStep {
    /// Drop it before the tensors that its step uses.
    pub fn new(device: tch::Device) -> RecordedStep {
        RecordedStep {
            recorder: Recorder::open(device),
            launched: 0,
            not_recorded: None,
        }
    }

    /// Runs the step once.
    pub fn run(&mut self, mut step: impl FnMut() -> Result<()>) -> Result<()> {
        if self.launched == LAUNCHED
            && let Some(recorder) = &mut self.recorder
            && let Err(why) = recorder.record(&mut step)
        {
            // None of the step has run: it is launched, now and from here on.
            self.not_recorded = Some(why);
            self.recorder = None;
        }
        self.launched += 1;
        match &self.recorder {
            Some(recorder) if recorder.is_recorded() => recorder.replay(),
            _ => step(),
        }
    }

    /// A report's note of why the step is launched one operation after the other, where it could not be recorded.
    pub fn note(&self) -> Option<String> {
        let why = self.not_recorded.as_ref()?;
        Some(format!("steps were not recorded: {why}"))
    }
}

/// graph.cpp's functions.
struct Functions {
    open: unsafe extern "C" fn(c_int, *mut *mut c_void, *mut c_char, usize) -> c_int,
    begin: Call,
    end: Call,
    replay: Call,
    close: Call,
}

/// One piece of work that is recorded and replayed.
pub(super) struct Recorder {
    functions: &'static Functions,
    recorder: *mut c_void,
    is_recorded: bool,
}

// SAFETY: a graph belongs to its device and to no thread; begin and end run in one call of one thread.
unsafe impl Send for Recorder {}

impl Recorder {
    /// None where the device is none of CUDA's, or where this machine does not let graphs be recorded.
    pub fn open(device: tch::Device) -> Option<Recorder> {
        static FUNCTIONS: OnceCell<Option<Functions>> = OnceCell::new();
        let tch::Device::Cuda(index) = device else {
            return None;
        };
        let functions = FUNCTIONS.get_or_init(load).as_ref()?;
        let mut recorder = std::ptr::null_mut();
        // SAFETY: `recorder` is written on success, and the message has the length that is passed.
        let open =
            |message| unsafe { (functions.open)(index as c_int, &mut recorder, message, MESSAGE) };
        checked(open).ok()?;
        Some(Recorder {
            functions,
            recorder,
            is_recorded: false,
        })
    }

    pub fn is_recorded(&self) -> bool {
        self.is_recorded
    }

    /// Records what `work` launches, and runs none of it. Its tensors must be there as long as it is replayed,
    /// and it must not wait for the device. Until it ends, libtorch refuses random numbers of that device to other
    /// threads.
    pub fn record(&mut self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        /// Ends a recording, by a panic too.
        struct Recording<'a>(&'a Recorder);
        impl Drop for Recording<'_> {
            fn drop(&mut self) {
                let _ = self.0.call(self.0.functions.end);
            }
        }
        let _alone = alone();
        self.call(self.functions.begin)?;
        let recording = Recording(self);
        work()?;
        std::mem::forget(recording);
        self.call(self.functions.end)?;
        self.is_recorded = true;
        Ok(())
    }

    /// Runs what was recorded, after what runs on the device already.
    pub fn replay(&self) -> Result<()> {
        #[cfg(test)]
        REPLAYS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.call(self.functions.replay)
    }

    fn call(&self, function: Call) -> Result<()> {
        // SAFETY: the recorder is open, and used by one thread at a time as it is not Sync.
        checked(|message| unsafe { function(self.recorder, message, MESSAGE) })
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _alone = alone();
        // A failure of the device shows in the next call on it.
        let _ = self.call(self.functions.close);
    }
}

/// Keeps other recordings out; a panic in one leaves nothing behind that the next could find broken.
fn alone() -> MutexGuard<'static, ()> {
    RECORDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Loads the object, which stays for ever.
fn load() -> Option<Functions> {
    if OBJECT.is_empty() {
        return None;
    }
    // SAFETY: a plain system call; the descriptor is owned from here on.
    let mut file = unsafe {
        let descriptor = libc::memfd_create(c"pdiff-graph".as_ptr(), libc::MFD_CLOEXEC);
        (descriptor >= 0).then(|| std::fs::File::from_raw_fd(descriptor))?
    };
    file.write_all(OBJECT).ok()?;
    let path = format!("/proc/self/fd/{}\0", file.as_raw_fd());
    // SAFETY: loading runs the object's initializers, of which it has none beside those of C++'s library; its
    // symbols come from libtorch_cuda, which is loaded before any CUDA device is there.
    let object = unsafe { libc::dlopen(path.as_ptr().cast(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    if object.is_null() {
        return None;
    }
    let find = |name: &CStr| {
        // SAFETY: the object is loaded.
        let found = unsafe { libc::dlsym(object, name.as_ptr()) };
        (!found.is_null()).then_some(found)
    };
    // SAFETY: graph.cpp declares its functions so.
    unsafe {
        Some(Functions {
            open: std::mem::transmute::<
                *mut c_void,
                unsafe extern "C" fn(c_int, *mut *mut c_void, *mut c_char, usize) -> c_int,
            >(find(c"pdiff_graph_open")?),
            begin: std::mem::transmute::<*mut c_void, Call>(find(c"pdiff_graph_begin")?),
            end: std::mem::transmute::<*mut c_void, Call>(find(c"pdiff_graph_end")?),
            replay: std::mem::transmute::<*mut c_void, Call>(find(c"pdiff_graph_replay")?),
            close: std::mem::transmute::<*mut c_void, Call>(find(c"pdiff_graph_close")?),
        })
    }
}

/// Turns a status and its message into a result.
fn checked(call: impl FnOnce(*mut c_char) -> c_int) -> Result<()> {
    let mut message = [0u8; MESSAGE];
    if call(message.as_mut_ptr().cast()) == 0 {
        return Ok(());
    }
    let text = CStr::from_bytes_until_nul(&message).unwrap_or_default();
    let text = text.to_string_lossy();
    // Which of the device's failures it is, is told from the text.
    Err(tch::TchError::Torch(format!("CUDA graph: {text}")).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torch::device::cuda_or_skip;

    #[test]
    fn there_are_none_on_the_cpu() {
        assert!(Recorder::open(tch::Device::Cpu).is_none());
    }

    #[test]
    fn a_recorded_step_is_replayed_on_cuda() {
        let Some(device) = cuda_or_skip() else {
            return;
        };
        let Some(mut recorder) = Recorder::open(device) else {
            assert!(OBJECT.is_empty(), "graph.so does not load");
            return eprintln!("skipped: the build had no headers of CUDA");
        };
        let mut x = tch::Tensor::f_ones([3], (tch::Kind::Float, device)).unwrap();
        let mut step = || -> Result<()> {
            let _ = x.f_mul_scalar_(2.0)?.f_add_scalar_(1.0)?;
            Ok(())
        };
        step().unwrap();
        recorder.record(&mut step).unwrap();
        for _ in 0..2 {
            recorder.replay().unwrap();
        }
        assert_eq!(x.f_double_value(&[0]).unwrap(), 15.0);
    }
}
