//! TLS towards clients: a certificate of the port's own, whatever the target has.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsAcceptor;

use crate::peer::Socket;

/// How long a client may take for its part of the handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a certificate comes from that may be renewed while the port serves.
pub trait Renewal: Send + Sync {
    /// The certificate that is to be used from now on, if it has changed since this was asked last. It may block. Whether TLS is
    /// required does not change.
    ///
    /// # Errors
    /// Why what has changed cannot be used. The port goes on with what it has.
    fn renewed(&self) -> Option<Result<Tls, String>>;
}

/// What a port offers to clients that ask for TLS, 1.2 or 1.3.
#[derive(Clone)]
pub struct Tls {
    acceptor: Arc<Mutex<TlsAcceptor>>,
    is_required: bool,
    renewal: Option<Arc<dyn Renewal>>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("is_required", &self.is_required)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// From the port's certificate, with those between it and the authority behind it, and its key, both as PEM text. Where TLS is
    /// required, clients of the TCP port that do not ask for it are refused; a unix socket needs none.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(certificates: &[u8], key: &[u8], is_required: bool) -> Result<Self, String> {
        Ok(Self {
            acceptor: Arc::new(Mutex::new(acceptor(certificates, key)?)),
            is_required,
            renewal: None,
        })
    }

    /// Asks for another certificate in front of each handshake.
    #[must_use]
    pub fn with_renewal(mut self, renewal: Arc<dyn Renewal>) -> Self {
        self.renewal = Some(renewal);
        self
    }

    pub(crate) fn is_required(&self) -> bool {
        self.is_required
    }

    /// Takes the client's handshake. `first` is what of it has been read already.
    pub(crate) async fn accept(
        &self,
        first: BytesMut,
        socket: Box<dyn Socket>,
    ) -> io::Result<Box<dyn Socket>> {
        let (held, renewal) = (self.acceptor.clone(), self.renewal.clone());
        // It reads files. Clients that come at the same time wait for it, so that all get the same.
        let current = tokio::task::spawn_blocking(move || current(&held, renewal.as_deref()));
        let acceptor = tokio::time::timeout(HANDSHAKE_TIMEOUT, current).await??;
        let accept = acceptor.accept(Begun { first, socket });
        let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, accept).await??;
        Ok(Box::new(stream))
    }
}

/// What is used from now on: what has been renewed, if it can be.
fn current(held: &Mutex<TlsAcceptor>, renewal: Option<&dyn Renewal>) -> TlsAcceptor {
    let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
    match renewal.and_then(Renewal::renewed) {
        None => {}
        Some(Ok(renewed)) => {
            *held = renewed
                .acceptor
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            tracing::info!("control port: TLS goes on with the renewed certificate");
        }
        Some(Err(error)) => {
            tracing::error!(
                "control port: the certificate has changed and cannot be used, the last one stays: {error}"
            );
        }
    }
    held.clone()
}

fn acceptor(certificates: &[u8], key: &[u8]) -> Result<TlsAcceptor, String> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(certificates)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("read the certificate: {error}"))?;
    if certificates.is_empty() {
        return Err("read the certificate: the file holds none; it must be a PEM file".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| format!("read the key: {error}"))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key))
        .map_err(|error| format!("use the certificate with the key: {error}"))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A socket of which some bytes have been read already.
struct Begun {
    first: BytesMut,
    socket: Box<dyn Socket>,
}

impl AsyncRead for Begun {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.socket).poll_read(cx, to);
        }
        let count = self.first.len().min(to.remaining());
        to.put_slice(&self.first[..count]);
        self.first.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Begun {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
