//! The bodies that a wire forwards: streamed, counted, and cut off if a fault says so.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::journal::{Entry, Exchange};

pub(super) type BodyError = Box<dyn std::error::Error + Send + Sync>;
pub(super) type RelayedBody = UnsyncBoxBody<Bytes, BodyError>;

/// The connection is cut, as if the network had failed.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the connection was cut by a fault")]
pub(super) struct Cut;

/// The client's body on its way to the upstream.
pub(super) fn request(body: Incoming, entry: Arc<Entry>) -> RelayedBody {
    let count = |it: &mut Exchange, bytes| it.request_bytes += bytes;
    Relayed {
        inner: body,
        entry,
        count,
        left: None,
        flushed: false,
    }
    .map_err(BodyError::from)
    .boxed_unsync()
}

/// A client's body that was read completely, on its way to the upstream.
pub(super) fn whole(body: Bytes) -> RelayedBody {
    Full::new(body)
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// The upstream's body on its way to the client, cut after `limit` bytes.
pub(super) fn response(body: Incoming, entry: Arc<Entry>, limit: Option<usize>) -> RelayedBody {
    let count = |it: &mut Exchange, bytes| it.response_bytes += bytes;
    Relayed {
        inner: body,
        entry,
        count,
        left: limit,
        flushed: false,
    }
    .boxed_unsync()
}

/// The body of a canned response.
pub(super) fn made_up(body: Bytes, entry: Arc<Entry>) -> RelayedBody {
    let count = |it: &mut Exchange, bytes| it.response_bytes += bytes;
    let inner = Full::new(body).map_err(|never| match never {});
    Relayed {
        inner,
        entry,
        count,
        left: None,
        flushed: false,
    }
    .boxed_unsync()
}

struct Relayed<B> {
    inner: B,
    // Dropping the entry ends the exchange, so it is held as long as the body.
    entry: Arc<Entry>,
    count: fn(&mut Exchange, u64),
    left: Option<usize>,
    flushed: bool,
}

impl<B> Body for Relayed<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BodyError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.left == Some(0) {
            // Pending once, so that the server writes the bytes so far before it sees the error.
            if !self.flushed {
                self.flushed = true;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            return Poll::Ready(Some(Err(Cut.into())));
        }
        let frame = match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            None => return Poll::Ready(None),
        };
        let frame = match frame.into_data() {
            Ok(mut data) => {
                if let Some(left) = &mut self.left {
                    data.truncate(*left);
                    *left -= data.remaining();
                }
                let bytes = data.remaining() as u64;
                let count = self.count;
                self.entry.note(|it| count(it, bytes));
                Frame::data(data)
            }
            Err(trailers) => trailers,
        };
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.left != Some(0) && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
