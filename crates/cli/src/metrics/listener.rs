//! Connections of monitors: so many at a time, and each for so long.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

/// Connections at a time; others wait to be accepted.
const CONNECTIONS_MAX: usize = 16;
/// Longest life of a connection, from its beginning to the end of the answer.
const LIFE_MAX: Duration = Duration::from_secs(10);

/// Accepts at most [`CONNECTIONS_MAX`] connections, of which none lives longer than [`LIFE_MAX`].
pub(super) struct Bounded {
    listener: TcpListener,
    places: Arc<Semaphore>,
    life_max: Duration,
}

impl Bounded {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            life_max: LIFE_MAX,
        }
    }
}

impl Listener for Bounded {
    type Io = Mortal;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Mortal, SocketAddr) {
        // The semaphore is never closed; without it, the connection would only not be counted.
        let place = self.places.clone().acquire_owned().await.ok();
        // Axum's own accept waits a little after errors that do not go away at once.
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let mortal = Mortal {
            stream,
            end: Box::pin(tokio::time::sleep(self.life_max)),
            _place: place,
        };
        (mortal, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that fails when its time is over.
pub(super) struct Mortal {
    stream: TcpStream,
    end: Pin<Box<Sleep>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Mortal {
    /// What the stream says, or, while it has nothing to say, whether its time is over.
    fn or_end<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(result) = poll(Pin::new(&mut self.stream), context) {
            return Poll::Ready(result);
        }
        ready!(self.end.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Mortal {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.or_end(context, |stream, context| stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for Mortal {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.or_end(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.or_end(context, |stream, context| stream.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.or_end(context, |stream, context| stream.poll_shutdown(context))
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn silent_connections_end_and_make_room() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let bounded = Bounded {
            life_max: Duration::from_millis(200),
            places: Arc::new(Semaphore::new(1)),
            ..Bounded::new(listener)
        };
        let router = Router::new().route("/", get(|| async { "hello" }));
        let server = tokio::spawn(async move { axum::serve(bounded, router).await });
        let mut silent = TcpStream::connect(address).await.unwrap();
        // A second one, which sends half a question and is accepted only when the first has ended.
        let mut half = TcpStream::connect(address).await.unwrap();
        half.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").await.unwrap();
        let mut asking = TcpStream::connect(address).await.unwrap();
        asking
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut text = String::new();
        let answered = tokio::time::timeout(Duration::from_secs(30), asking.read_to_string(&mut text)).await;
        answered.expect("the third is answered").unwrap();
        assert!(
            text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("hello"),
            "{text}"
        );
        for silent in [&mut silent, &mut half] {
            // Ended, orderly or not.
            assert!(matches!(silent.read(&mut [0; 1]).await, Ok(0) | Err(_)));
        }
        server.abort();
    }
}
