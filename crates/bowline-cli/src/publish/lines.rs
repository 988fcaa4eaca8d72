//! Cuts a stream of bytes into lines without looking at what is in them. Knows nothing of messages.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// How much is read at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// The lines of a reader: the bytes between newlines, whatever they are. What follows the last newline is a line too, unless
/// it is empty.
pub(super) struct Lines<R> {
    reader: R,
    buffer: BytesMut,
    /// How much of the buffer is known to have no newline.
    searched: usize,
    line_bytes_max: usize,
    is_at_end: bool,
    is_cut: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(reader: R, line_bytes_max: usize) -> Self {
        Self { reader, buffer: BytesMut::new(), searched: 0, line_bytes_max, is_at_end: false, is_cut: false }
    }

    /// The next line without its newline; `None` at the end. It shares the memory of its neighbours.
    ///
    /// A dropped future has lost nothing.
    pub(super) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(at) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(self.searched + at).freeze();
                self.buffer.advance(1);
                self.searched = 0;
                return Ok(Some(line));
            }
            self.searched = self.buffer.len();
            if self.searched > self.line_bytes_max {
                let text = format!("a line has more than the {} bytes of a message", self.line_bytes_max);
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            if self.is_at_end {
                self.searched = 0;
                self.is_cut |= !self.buffer.is_empty();
                return Ok((!self.buffer.is_empty()).then(|| self.buffer.split().freeze()));
            }
            self.buffer.reserve(CHUNK_BYTES);
            self.is_at_end = self.reader.read_buf(&mut self.buffer).await? == 0;
        }
    }

    /// Whether the last line had no newline: the input may have been cut off.
    pub(super) const fn is_cut(&self) -> bool {
        self.is_cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(input: &[u8], line_bytes_max: usize) -> io::Result<Vec<Bytes>> {
        let mut lines = Lines::new(input, line_bytes_max);
        let mut found = Vec::new();
        while let Some(line) = lines.next().await? {
            found.push(line);
        }
        Ok(found)
    }

    #[tokio::test]
    async fn a_line_is_what_stands_between_newlines() {
        assert_eq!(lines(b"", 9).await.unwrap(), Vec::<&[u8]>::new());
        assert_eq!(lines(b"\n", 9).await.unwrap(), [&b""[..]]);
        assert_eq!(lines(b"a\r\n\n\xff\0\nlast", 9).await.unwrap(), [&b"a\r"[..], b"", b"\xff\0", b"last"]);
    }

    #[tokio::test]
    async fn lines_that_end_in_another_chunk_are_whole() {
        let long = vec![b'x'; CHUNK_BYTES * 2 + 1];
        let input = [&long[..], b"\n", &long[..], b"\nend"].concat();
        assert_eq!(lines(&input, long.len()).await.unwrap(), [&long[..], &long[..], b"end"]);
    }

    #[tokio::test]
    async fn a_line_without_end_does_not_take_all_memory() {
        let error = lines(&vec![b'x'; CHUNK_BYTES * 3], 1_000).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
