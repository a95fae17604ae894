//! How much memory the machine has.
#![allow(unsafe_code)]

/// Bytes of main memory; nothing where the system does not say.
pub(crate) fn whole() -> Option<u64> {
    // SAFETY: sysconf reads nothing of ours.
    let number = |name| u64::try_from(unsafe { libc::sysconf(name) }).ok();
    number(libc::_SC_PHYS_PAGES)?.checked_mul(number(libc::_SC_PAGE_SIZE)?)
}
