//! The serving thread's side of an upload and of a download: filling and emptying chunks.

use std::collections::VecDeque;
use std::task::Poll;

use r2_core::store::StoreError;

use super::ticket::WorkerChannel;
use super::worker::Call;
use super::{CHUNK, CHUNKS, Chunk};

/// Bytes on their way to the disk.
pub(super) struct Uploading {
    current: Option<Chunk>,
    filled: usize,
    taken: u64,
    limit: u64,
    failed: Option<StoreError>,
}

impl Uploading {
    pub(super) fn new(offset: u64, limit: u64) -> Self {
        Self {
            current: None,
            filled: 0,
            taken: offset,
            limit,
            failed: None,
        }
    }

    pub(super) fn append(
        &mut self,
        bytes: &[u8],
        free: &mut Vec<Chunk>,
        channel: &WorkerChannel<'_>,
    ) -> Poll<Result<usize, StoreError>> {
        if let Some(error) = self.failed {
            return Poll::Ready(Err(error));
        }
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let allowed = usize::try_from(self.limit.saturating_sub(self.taken)).unwrap_or(usize::MAX);
        if allowed == 0 {
            channel.send(Call::Discard);
            self.fail(StoreError::TooLarge, self.taken);
            return Poll::Ready(Err(StoreError::TooLarge));
        }
        let Some(mut chunk) = self.current.take().or_else(|| free.pop()) else {
            return Poll::Pending;
        };
        let taken = bytes.len().min(CHUNK - self.filled).min(allowed);
        chunk[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
        self.filled += taken;
        self.taken += taken as u64;
        self.current = Some(chunk);
        if self.filled == CHUNK {
            self.flush(channel);
        }
        Poll::Ready(Ok(taken))
    }

    /// Sends what has gathered to the disk.
    pub(super) fn flush(&mut self, channel: &WorkerChannel<'_>) {
        if let Some(chunk) = self.current.take() {
            channel.send(Call::Write(chunk, std::mem::take(&mut self.filled)));
        }
    }

    pub(super) fn has_gathered(&self) -> bool {
        self.current.is_some() && self.failed.is_none()
    }

    /// How many chunks are being filled.
    pub(super) fn here(&self) -> usize {
        self.current.iter().count()
    }

    /// Gives the chunk back that was being filled.
    pub(super) fn put_back(self, free: &mut Vec<Chunk>) {
        free.extend(self.current);
    }

    pub(super) fn written(&self) -> u64 {
        self.taken
    }

    pub(super) fn failed(&self) -> Option<StoreError> {
        self.failed
    }

    /// The upload has ended with an error. The first one counts.
    pub(super) fn fail(&mut self, error: StoreError, fitted: u64) {
        if self.failed.is_none() {
            self.failed = Some(error);
            self.taken = fitted;
        }
    }
}

/// Bytes on their way from the disk, read ahead of the session.
pub(super) struct Reading {
    length: u64,
    /// What the session is expected to read next.
    position: u64,
    /// What the worker is to be asked for next.
    ahead: u64,
    under_way: usize,
    /// How many of the chunks under way were asked for before the session went elsewhere.
    stale: usize,
    ready: VecDeque<Piece>,
    failed: Option<StoreError>,
}

struct Piece {
    chunk: Chunk,
    start: usize,
    end: usize,
}

impl Reading {
    pub(super) fn new(length: u64) -> Self {
        Self {
            length,
            position: 0,
            ahead: 0,
            under_way: 0,
            stale: 0,
            ready: VecDeque::with_capacity(CHUNKS),
            failed: None,
        }
    }

    pub(super) fn read(
        &mut self,
        offset: u64,
        into: &mut [u8],
        free: &mut Vec<Chunk>,
        channel: &WorkerChannel<'_>,
    ) -> Poll<Result<usize, StoreError>> {
        if into.is_empty() || offset >= self.length {
            return Poll::Ready(Ok(0));
        }
        if let Some(error) = self.failed {
            return Poll::Ready(Err(error));
        }
        if offset != self.position {
            self.stale = self.under_way;
            free.extend(self.ready.drain(..).map(|piece| piece.chunk));
            (self.position, self.ahead) = (offset, offset);
        }
        let taken = self.copy(into, free);
        while self.ahead < self.length
            && let Some(chunk) = free.pop()
        {
            channel.send(Call::Read(chunk, self.ahead));
            self.ahead = self.ahead.saturating_add(CHUNK as u64);
            self.under_way += 1;
        }
        if taken == 0 {
            Poll::Pending
        } else {
            Poll::Ready(Ok(taken))
        }
    }

    fn copy(&mut self, into: &mut [u8], free: &mut Vec<Chunk>) -> usize {
        let Some(piece) = self.ready.front_mut() else {
            return 0;
        };
        let taken = into.len().min(piece.end - piece.start);
        into[..taken].copy_from_slice(&piece.chunk[piece.start..piece.start + taken]);
        piece.start += taken;
        self.position += taken as u64;
        if piece.start == piece.end
            && let Some(piece) = self.ready.pop_front()
        {
            free.push(piece.chunk);
        }
        taken
    }

    /// How many chunks wait for the session.
    pub(super) fn here(&self) -> usize {
        self.ready.len()
    }

    /// A chunk has come back from the worker.
    pub(super) fn arrived(&mut self, chunk: Chunk, result: Result<usize, StoreError>, free: &mut Vec<Chunk>) {
        self.under_way -= 1;
        if self.stale > 0 {
            self.stale -= 1;
            free.push(chunk);
            return;
        }
        let before: usize = self.ready.iter().map(|piece| piece.end - piece.start).sum();
        let left = self.length.saturating_sub(self.position + before as u64);
        let expected = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        match result {
            // The entry's length rules, also where the file has grown since.
            Ok(read) if read >= expected => self.ready.push_back(Piece {
                chunk,
                start: 0,
                end: expected,
            }),
            // The file was cut short under our hands.
            Ok(_) => {
                free.push(chunk);
                self.failed = Some(StoreError::Io);
            }
            Err(error) => {
                free.push(chunk);
                self.failed = Some(error);
            }
        }
    }

    /// Gives the chunks back that are here.
    pub(super) fn put_back(self, free: &mut Vec<Chunk>) {
        free.extend(self.ready.into_iter().map(|piece| piece.chunk));
    }
}
