//! TLS over a connected socket, by rustls with the ring provider.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio::io::AsyncReadExt;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use zeroize::Zeroizing;

use crate::transport::Socket;
use crate::{Address, ConnectOptions, Error, TlsMode, TlsOptions};

/// Encrypts the socket.
pub(crate) async fn start(socket: Socket, options: &ConnectOptions) -> Result<TlsStream<Socket>, Error> {
    let failed = |detail| Error::Tls {
        address: options.address.to_string(),
        detail,
    };
    let config = client_config(&options.tls).await.map_err(failed)?;
    let name = server_name(&options.address, options.tls.mode).map_err(failed)?;
    let connected = TlsConnector::from(Arc::new(config)).connect(name, socket).await;
    connected.map_err(|error| failed(explain(&error)))
}

/// The name to check the certificate against. Modes that do not check it take any host.
fn server_name(address: &Address, mode: TlsMode) -> Result<ServerName<'static>, String> {
    let host = match address {
        Address::Tcp { host, .. } => host.as_str(),
        Address::Unix(_) => "localhost",
    };
    match ServerName::try_from(host.to_owned()) {
        Ok(name) => Ok(name),
        Err(_) if mode != TlsMode::VerifyIdentity => {
            ServerName::try_from("localhost").map_err(|error| error.to_string())
        }
        Err(_) => Err(format!(
            "{host:?} is not a name that a certificate can have; use VerifyCa or another name"
        )),
    }
}

async fn client_config(options: &TlsOptions) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("no usable protocol version: {error}"))?;
    let builder = match options.mode {
        TlsMode::VerifyIdentity => builder.with_root_certificates(read_authorities(options).await?),
        mode => {
            let authorities = match mode {
                TlsMode::VerifyCa => Some(read_authorities(options).await?),
                _ => None,
            };
            let verifier = Arc::new(WithoutName {
                authorities,
                provider,
            });
            builder.dangerous().with_custom_certificate_verifier(verifier)
        }
    };
    let mut config = with_own_certificate(builder, options).await?;
    // The host name is no business of listeners, unless it is what is checked.
    config.enable_sni = options.mode == TlsMode::VerifyIdentity;
    Ok(config)
}

async fn read_authorities(options: &TlsOptions) -> Result<RootCertStore, String> {
    let Some(path) = &options.ca_file else {
        return Err(
            "checking the server's certificate needs ca_file; the system's authorities are not used"
                .to_owned(),
        );
    };
    let mut authorities = RootCertStore::empty();
    for certificate in read_certificates(path).await? {
        authorities.add(certificate).map_err(|error| {
            format!(
                "{}: a certificate cannot be used as an authority: {error}",
                path.display()
            )
        })?;
    }
    Ok(authorities)
}

async fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = tokio::fs::read(path)
        .await
        .map_err(|error| format!("read {}: {error}", path.display()))?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{} is not a PEM file: {error}", path.display()))?;
    match certificates.is_empty() {
        true => Err(format!("{} holds no certificate in PEM form", path.display())),
        false => Ok(certificates),
    }
}

async fn with_own_certificate(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    options: &TlsOptions,
) -> Result<ClientConfig, String> {
    let (certificate, key) = match (&options.cert_file, &options.key_file) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) => return Ok(builder.with_no_client_auth()),
        _ => return Err("cert_file and key_file go together: set both or none".to_owned()),
    };
    let chain = read_certificates(certificate).await?;
    let pem = read_key(key).await?;
    let private_key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| {
        format!(
            "{} holds no key in PEM form without a password: {error}",
            key.display()
        )
    })?;
    builder
        .with_client_auth_cert(chain, private_key)
        .map_err(|error| {
            format!(
                "{} and {} cannot be used: {error}",
                certificate.display(),
                key.display()
            )
        })
}

/// Reads a private key, which nobody but its owner may be able to read.
async fn read_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let shown = path.display();
    let unread = |error| format!("read {shown}: {error}");
    let mut file = tokio::fs::File::open(path).await.map_err(unread)?;
    let mode = file.metadata().await.map_err(unread)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(format!(
            "others may read {shown} (mode {mode:04o}); run: chmod 600 {shown}"
        ));
    }
    let mut pem = Zeroizing::new(Vec::new());
    file.read_to_end(&mut pem).await.map_err(unread)?;
    Ok(pem)
}

/// Says what a failed handshake means for the operator.
fn explain(error: &std::io::Error) -> String {
    let cause = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let hint = match cause {
        Some(rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        )) => "; the server's certificate does not come from an authority in ca_file",
        Some(rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => "; connect by a name in the certificate's subject alternative names, or use VerifyCa",
        Some(rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => "; renew the server's certificate, or set the clocks right",
        _ => "",
    };
    format!("{error}{hint}")
}

/// Checks that the server has the key of its certificate, and, given authorities, that one of them made the certificate. Does
/// not check the name in it.
#[derive(Debug)]
struct WithoutName {
    /// `None`: any certificate will do.
    authorities: Option<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for WithoutName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(authorities) = &self.authorities {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(
                &certificate,
                authorities,
                intermediates,
                now,
                algorithms,
            )?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
