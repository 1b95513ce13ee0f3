//! Requests that are answered before all of their body has come.
//!
//! HTTP/1.1 cannot go on over a connection on which something is left unread, so it is closed behind the answer. A client
//! that is not told so may send its next request into it, and finds that the server has gone (RFC 9112, 9.6).

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, BodyDataStream, HttpBody as _};
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures_core::Stream;

/// Tells the client that the connection ends where the answer did not wait for all of the request.
pub(super) async fn told(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let is_read = Arc::new(AtomicBool::new(body.is_end_stream()));
    let body = if body.is_end_stream() {
        body
    } else {
        Body::from_stream(Watched { body: body.into_data_stream(), is_read: Arc::clone(&is_read) })
    };
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if !is_read.load(Ordering::Relaxed) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A body of which it is known whether it was read to its end.
struct Watched {
    body: BodyDataStream,
    is_read: Arc<AtomicBool>,
}

impl Stream for Watched {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.body).poll_next(context);
        if matches!(next, Poll::Ready(None)) {
            self.is_read.store(true, Ordering::Relaxed);
        }
        next
    }
}
