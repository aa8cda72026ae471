//! Buffers that the kernel fills, shared by all connections of a ring (`io_uring_register_buf_ring(3)`).

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;

/// Bytes of one: more than any reply that is not hostile, so that one completion is one reply.
const BYTES: u16 = 2048;
/// What the kernel wants a ring of buffers aligned to: a page, which is as large as this on some machines.
const PAGE: usize = 64 * 1024;

/// What came for one connection: a part of a buffer.
#[derive(Debug)]
pub(super) struct Chunk {
    buffer: u16,
    read: u16,
    end: u16,
}

impl Chunk {
    pub(super) fn new(buffer: u16, bytes: i32) -> Self {
        Self { buffer, read: 0, end: u16::try_from(bytes).unwrap_or(BYTES).min(BYTES) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.read == self.end
    }
}

/// The buffers and the ring in which the kernel finds free ones.
pub(super) struct Buffers {
    ring: NonNull<BufRingEntry>,
    memory: NonNull<u8>,
    tail: u16,
}

impl Buffers {
    /// How many; a power of two. Where all are taken, a connection asks again once some are free.
    pub(super) const COUNT: u16 = 512;
    /// Under which number the kernel knows them.
    pub(super) const GROUP: u16 = 0;

    const RING: Layout = layout(Self::COUNT as usize * size_of::<BufRingEntry>());
    const MEMORY: Layout = layout(Self::COUNT as usize * BYTES as usize);

    pub(super) fn register(uring: &IoUring) -> io::Result<Self> {
        let ring = allocate(Self::RING).cast();
        let mut buffers = Self { ring, memory: allocate(Self::MEMORY), tail: 0 };
        // SAFETY: the memory is as long as said, aligned, and lives until the ring of the kernel is gone, or is leaked.
        unsafe {
            uring.submitter().register_buf_ring_with_flags(
                ring.as_ptr() as u64,
                Self::COUNT,
                Self::GROUP,
                0,
            )?;
        }
        (0..Self::COUNT).for_each(|buffer| buffers.give_back(&Chunk::new(buffer, 0)));
        Ok(buffers)
    }

    /// Copies what is in `chunk` to `into`, as far as that goes.
    pub(super) fn take(&self, chunk: &mut Chunk, into: &mut [u8]) -> usize {
        let length = usize::from(chunk.end - chunk.read).min(into.len());
        let at = usize::from(chunk.buffer) * usize::from(BYTES) + usize::from(chunk.read);
        // SAFETY: buffer numbers come from the kernel, which knows those below `COUNT` only; a buffer is not the kernel's
        // between its completion and `give_back`.
        let from = unsafe { std::slice::from_raw_parts(self.memory.add(at).as_ptr(), length) };
        into[..length].copy_from_slice(from);
        chunk.read += u16::try_from(length).unwrap_or(0);
        length
    }

    /// Lets the kernel fill the buffer again.
    pub(super) fn give_back(&mut self, chunk: &Chunk) {
        let at = usize::from(self.tail % Self::COUNT);
        let address = self.memory.as_ptr() as u64 + u64::from(chunk.buffer) * u64::from(BYTES);
        // SAFETY: `at` is within the ring, and the kernel looks at entries before the tail only.
        unsafe {
            let entry = self.ring.add(at).as_mut();
            entry.set_addr(address);
            entry.set_len(u32::from(BYTES));
            entry.set_bid(chunk.buffer);
        }
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail lies in the first entry, aligned, and is written here only; the kernel reads it atomically.
        unsafe {
            let tail = BufRingEntry::tail(self.ring.as_ptr()).cast::<AtomicU16>();
            (*tail).store(self.tail, Ordering::Release);
        }
    }

    /// Gives the memory up for good.
    pub(super) fn leak(&mut self) {
        self.memory = NonNull::dangling();
        self.ring = NonNull::dangling();
    }

    fn is_leaked(&self) -> bool {
        self.ring == NonNull::dangling()
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        if !self.is_leaked() {
            // SAFETY: allocated with these layouts; the kernel has let go of them.
            unsafe {
                dealloc(self.ring.as_ptr().cast(), Self::RING);
                dealloc(self.memory.as_ptr(), Self::MEMORY);
            }
        }
    }
}

const fn layout(bytes: usize) -> Layout {
    match Layout::from_size_align(bytes, PAGE) {
        Ok(layout) => layout,
        Err(_) => panic!("the size is far below any limit"),
    }
}

fn allocate(layout: Layout) -> NonNull<u8> {
    // SAFETY: the size is not zero.
    NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap_or_else(|| handle_alloc_error(layout))
}
