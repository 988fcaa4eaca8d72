//! WebSocket frames on their way in, of which long ones are cut, so that none makes the library reserve what was only announced. Knows
//! headers of frames, no message and no handshake.
//!
//! The library makes room for a whole frame as soon as it has the header, and a header of ten bytes can announce all that is accepted.
//! A long frame is the same message as many fragments, for which room is made as they come.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, Take};

/// The longest frame that is passed on as it is, in bytes. A multiple of four, so that the mask of a piece is that of its frame.
const PIECE_BYTES_MAX: u64 = 256 * 1024;

/// The longest header: two bytes, a length of eight, a mask of four.
const HEADER_BYTES_MAX: usize = 14;

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;

/// The stream, with no long frames in what is read.
pub(super) struct Pieces<S> {
    stream: Take<S>,
    /// Longer frames are refused by the library, which is to see how long they are.
    frame_bytes_max: u64,
    /// A header, or what is left of it, to be read next.
    header: BytesMut,
    /// What was read beyond a header that takes more than to be passed on.
    held: BytesMut,
    /// What is left of the frame that is passed on as it is.
    left: u64,
    cut: Option<Cut>,
}

/// A frame that is being cut.
struct Cut {
    /// The first byte of the next piece, without FIN.
    first: u8,
    is_final: bool,
    mask: Option<[u8; 4]>,
    /// What is left of the frame beyond the piece.
    left: u64,
    piece_left: u64,
}

/// The header of a frame.
struct Header {
    first: u8,
    mask: Option<[u8; 4]>,
    /// Of the header.
    bytes: usize,
    payload_bytes: u64,
}

impl Header {
    /// The one that these bytes begin with; `None` if there is more of it.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (&first, &second) = (bytes.first()?, bytes.get(1)?);
        let (payload_bytes, mask_at) = match second & !MASKED {
            126 => (u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
            127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
            short => (u64::from(short), 2),
        };
        if second & MASKED == 0 {
            return Some(Self { first, mask: None, bytes: mask_at, payload_bytes });
        }
        let mask = bytes.get(mask_at..mask_at + 4)?.try_into().ok()?;
        Some(Self { first, mask: Some(mask), bytes: mask_at + 4, payload_bytes })
    }

    const fn is_of_data(&self) -> bool {
        self.first & 0x08 == 0
    }
}

impl Cut {
    /// Goes on to the next piece, whose header is the result; `None` after the last.
    fn next_piece(&mut self) -> Option<BytesMut> {
        if self.left == 0 {
            return None;
        }
        self.piece_left = self.left.min(PIECE_BYTES_MAX);
        self.left -= self.piece_left;
        let fin = if self.is_final && self.left == 0 { FIN } else { 0 };
        let masked = if self.mask.is_some() { MASKED } else { 0 };
        let mut header = BytesMut::with_capacity(HEADER_BYTES_MAX);
        header.extend_from_slice(&[self.first | fin]);
        match (u8::try_from(self.piece_left), u16::try_from(self.piece_left)) {
            (Ok(short), _) if short < 126 => header.extend_from_slice(&[short | masked]),
            (_, Ok(medium)) => {
                header.extend_from_slice(&[126 | masked]);
                header.extend_from_slice(&medium.to_be_bytes());
            }
            _ => {
                header.extend_from_slice(&[127 | masked]);
                header.extend_from_slice(&self.piece_left.to_be_bytes());
            }
        }
        header.extend_from_slice(self.mask.as_ref().map_or(&[], |mask| &mask[..]));
        // All that follow continue it.
        self.first = 0;
        Some(header)
    }
}

impl<S: AsyncRead + Unpin> Pieces<S> {
    pub(super) fn new(stream: S, frame_bytes_max: usize) -> Self {
        Self {
            stream: stream.take(u64::MAX),
            frame_bytes_max: frame_bytes_max as u64,
            header: BytesMut::new(),
            held: BytesMut::new(),
            left: 0,
            cut: None,
        }
    }

    pub(super) fn carrier(&self) -> &S {
        self.stream.get_ref()
    }

    pub(super) fn carrier_mut(&mut self) -> &mut S {
        self.stream.get_mut()
    }

    pub(super) fn into_inner(self) -> S {
        self.stream.into_inner()
    }

    /// How many of these bytes can be passed on: up to a header that is not whole, or of a long frame.
    fn pass(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        loop {
            let rest = (bytes.len() - at) as u64;
            if self.left >= rest {
                self.left -= rest;
                return bytes.len();
            }
            at += usize::try_from(self.left).expect("it is less than a slice has");
            self.left = 0;
            match Header::parse(&bytes[at..]) {
                Some(header) if !self.is_long(&header) => {
                    at += header.bytes;
                    self.left = header.payload_bytes;
                }
                _ => return at,
            }
        }
    }

    const fn is_long(&self, header: &Header) -> bool {
        header.is_of_data()
            && header.payload_bytes > PIECE_BYTES_MAX
            && header.payload_bytes <= self.frame_bytes_max
    }

    /// Takes a header from what is held, if it is whole.
    fn take_header(&mut self) -> bool {
        let Some(header) = Header::parse(&self.held) else { return false };
        let bytes = self.held.split_to(header.bytes);
        if self.is_long(&header) {
            let is_final = header.first & FIN != 0;
            let (first, left) = (header.first & !FIN, header.payload_bytes);
            self.cut = Some(Cut { first, is_final, mask: header.mask, left, piece_left: 0 });
        } else {
            self.header = bytes;
            self.left = header.payload_bytes;
        }
        true
    }

    /// Copies of what is held what belongs to the frame; how much.
    fn put_held(&mut self, limit: u64, buf: &mut ReadBuf<'_>) -> u64 {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let count = limit.min(self.held.len()).min(buf.remaining());
        buf.put_slice(&self.held[..count]);
        self.held.advance(count);
        count as u64
    }

    /// Reads on, at most so much; how much.
    fn poll_stream(
        &mut self,
        limit: u64,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<u64>> {
        let before = buf.filled().len();
        self.stream.set_limit(limit);
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        Poll::Ready(Ok((buf.filled().len() - before) as u64))
    }

    /// Reads more of a header; whether there is more.
    fn poll_more_header(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut space = [0; HEADER_BYTES_MAX];
        let mut more = ReadBuf::new(&mut space);
        let count = ready!(self.poll_stream(u64::MAX, cx, &mut more))?;
        self.held.extend_from_slice(more.filled());
        Poll::Ready(Ok(count > 0))
    }

    /// A part of a frame that is being cut; `None` when it is over.
    fn poll_cut(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Option<Poll<io::Result<()>>> {
        let cut = self.cut.as_mut()?;
        if cut.piece_left == 0 {
            match cut.next_piece() {
                Some(header) => self.header = header,
                None => self.cut = None,
            }
            return None;
        }
        let limit = cut.piece_left;
        let count = if self.held.is_empty() {
            match self.poll_stream(limit, cx, buf) {
                Poll::Ready(Ok(count)) => count,
                Poll::Ready(Err(error)) => return Some(Poll::Ready(Err(error))),
                Poll::Pending => return Some(Poll::Pending),
            }
        } else {
            self.put_held(limit, buf)
        };
        if let Some(cut) = &mut self.cut {
            cut.piece_left -= count;
        }
        Some(Poll::Ready(Ok(())))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Pieces<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Each turn that does not end it goes on by a header or by what was read.
        loop {
            if !this.header.is_empty() {
                let count = this.header.len().min(buf.remaining());
                buf.put_slice(&this.header.split_to(count));
                return Poll::Ready(Ok(()));
            }
            if this.cut.is_some() {
                match this.poll_cut(cx, buf) {
                    Some(read) => return read,
                    None => continue,
                }
            }
            if this.held.is_empty() {
                let before = buf.filled().len();
                if ready!(this.poll_stream(u64::MAX, cx, buf))? == 0 {
                    return Poll::Ready(Ok(()));
                }
                let passed = this.pass(&buf.filled()[before..]);
                this.held.extend_from_slice(&buf.filled()[before + passed..]);
                buf.set_filled(before + passed);
                if passed > 0 {
                    return Poll::Ready(Ok(()));
                }
            } else if this.left > 0 {
                let count = this.put_held(this.left, buf);
                this.left -= count;
                return Poll::Ready(Ok(()));
            } else if !this.take_header() && !ready!(this.poll_more_header(cx))? {
                // The stream has ended within a header, which is for the library to say.
                this.header = this.held.split();
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Pieces<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self.stream.get_mut()).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.stream.get_mut()).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.get_ref().is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream.get_mut()).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream.get_mut()).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest};

    use super::*;

    const PIECE: usize = PIECE_BYTES_MAX as usize;
    const FRAME_BYTES_MAX: usize = 64 * 1024 * 1024;
    const MASK: [u8; 4] = [9, 8, 7, 6];

    /// Gives what it has in portions of these sizes, in turn.
    struct Portions {
        bytes: BytesMut,
        sizes: Vec<usize>,
        turn: usize,
    }

    impl AsyncRead for Portions {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let size = self.sizes[self.turn % self.sizes.len()];
            self.turn += 1;
            let count = size.min(self.bytes.len()).min(buf.remaining());
            buf.put_slice(&self.bytes.split_to(count));
            Poll::Ready(Ok(()))
        }
    }

    /// What comes out, read in portions of these sizes.
    fn cut(bytes: &[u8], sizes: &[usize], reads: &[usize]) -> Vec<u8> {
        let stream = Portions { bytes: bytes.into(), sizes: sizes.to_vec(), turn: 0 };
        let mut pieces = Pieces::new(stream, FRAME_BYTES_MAX);
        let mut all = Vec::new();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        for size in reads.iter().cycle() {
            let mut space = vec![0; *size];
            let mut buf = ReadBuf::new(&mut space);
            let read = Pin::new(&mut pieces).poll_read(&mut cx, &mut buf);
            assert!(matches!(read, Poll::Ready(Ok(()))));
            if buf.filled().is_empty() {
                break;
            }
            all.extend_from_slice(buf.filled());
        }
        all
    }

    fn frame(first: u8, is_masked: bool, payload_bytes: usize) -> Vec<u8> {
        let masked = if is_masked { MASKED } else { 0 };
        let mut frame = match payload_bytes {
            0..126 => vec![first, payload_bytes as u8 | masked],
            126..65_536 => [&[first, 126 | masked], &(payload_bytes as u16).to_be_bytes()[..]].concat(),
            _ => [&[first, 127 | masked], &(payload_bytes as u64).to_be_bytes()[..]].concat(),
        };
        if is_masked {
            frame.extend_from_slice(&MASK);
        }
        frame.extend((0..payload_bytes).map(|at| (at % 251) as u8));
        frame
    }

    /// Messages with their opcodes, put together of their fragments, and the longest frame.
    fn messages(mut bytes: &[u8]) -> (Vec<(u8, Vec<u8>)>, u64) {
        let (mut messages, mut longest) = (Vec::new(), 0);
        let mut open: Option<(u8, Vec<u8>)> = None;
        while !bytes.is_empty() {
            let header = Header::parse(bytes).expect("a whole header");
            let count = usize::try_from(header.payload_bytes).expect("a short frame");
            let mut payload = bytes[header.bytes..header.bytes + count].to_vec();
            bytes = &bytes[header.bytes + count..];
            longest = longest.max(header.payload_bytes);
            if let Some(mask) = header.mask {
                payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
            }
            if !header.is_of_data() {
                messages.push((header.first, payload));
                continue;
            }
            match &mut open {
                Some((_, all)) => {
                    assert_eq!(header.first & !FIN, 0, "it continues the fragment before");
                    all.extend_from_slice(&payload);
                }
                None => open = Some((header.first & !FIN, payload)),
            }
            if header.first & FIN != 0 {
                messages.extend(open.take());
            }
        }
        assert!(open.is_none(), "a message has no end");
        (messages, longest)
    }

    fn payload_bytes() -> impl Strategy<Value = usize> {
        let long = PIECE - 2..PIECE + 3;
        prop_oneof![0..300_usize, Just(65_535), Just(65_536), long, Just(2 * PIECE), Just(2 * PIECE + 130)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_messages_are_the_same_and_no_frame_is_long(
            is_masked in any::<bool>(),
            // A message of several fragments, with a ping after each.
            fragments in prop::collection::vec(payload_bytes(), 1..4),
            sizes in prop::collection::vec(prop_oneof![1..20_usize, 1_000..200_000_usize], 1..4),
            reads in prop::collection::vec(prop_oneof![1..20_usize, 1_000..200_000_usize], 1..4),
        ) {
            let mut bytes = frame(FIN | 2, is_masked, 5);
            for (at, count) in fragments.iter().enumerate() {
                let opcode = if at == 0 { 2 } else { 0 };
                let fin = if at + 1 == fragments.len() { FIN } else { 0 };
                bytes.extend(frame(fin | opcode, is_masked, *count));
                bytes.extend(frame(FIN | 9, is_masked, 3));
            }
            let (before, _) = messages(&bytes);
            // Portions of a byte or two alone would take too long.
            let (mut sizes, mut reads) = (sizes, reads);
            sizes.push(100_000);
            reads.push(100_000);
            let (after, longest) = messages(&cut(&bytes, &sizes, &reads));
            assert!(before == after, "{fragments:?}");
            assert!(longest <= PIECE_BYTES_MAX);
        }
    }

    #[test]
    fn a_frame_that_is_only_announced_is_passed_on_as_a_short_one() {
        let announced = [&[FIN | 2, 127], &(FRAME_BYTES_MAX as u64).to_be_bytes()[..], b"few"].concat();
        for size in [1, 100] {
            let passed = cut(&announced, &[size], &[100]);
            let header = Header::parse(&passed).expect("a header");
            assert_eq!((header.first, header.payload_bytes), (2, PIECE_BYTES_MAX));
            assert_eq!(&passed[header.bytes..], b"few");
        }
    }

    #[test]
    fn what_the_library_refuses_is_passed_on_as_it_is() {
        let too_long = [&[FIN | 2, 127], &(FRAME_BYTES_MAX as u64 + 1).to_be_bytes()[..], b"few"].concat();
        let endless = [&[FIN | 2, 127], &u64::MAX.to_be_bytes()[..]].concat();
        let long_ping = [&[FIN | 9, 127], &(PIECE as u64 * 2).to_be_bytes()[..], b"few"].concat();
        for bytes in [too_long, endless, long_ping, vec![FIN | 2, 127, 0, 0]] {
            assert_eq!(cut(&bytes, &[3], &[100]), bytes);
        }
    }
}
