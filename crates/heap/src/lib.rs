//! The allocator of the binary, and how memory that nobody uses any more goes back to the system.
//!
//! The one crate with unsafe code: the allocator's bindings have no safe form of the call. Knows nothing
//! of what memory is for.

pub use mimalloc::MiMalloc as Allocator;

/// Gives back what the calling thread has freed and its heap still holds.
///
/// The allocator does so by itself only where it is allocated again: a thread that has freed a hundred
/// megabytes of middle-sized pieces, and has little to do then, would keep most of them for ever.
/// Takes some tens of microseconds, and what is soon needed again is taken anew.
pub fn give_back() {
    #[expect(unsafe_code, reason = "the allocator's bindings have no safe form of it")]
    // SAFETY: it takes no pointer, and every thread may call it whenever it allocates nothing.
    unsafe {
        libmimalloc_sys::mi_collect(true);
    }
}
