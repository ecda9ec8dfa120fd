//! Throw-away certificate authorities and certificates.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// An authority made for one test.
pub(crate) struct Authority {
    dir: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// Makes an authority whose files lie in `dir`.
    pub(crate) fn new(dir: &Path, name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("make a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("sign");
        let authority = Authority {
            dir: dir.to_owned(),
            issuer,
        };
        std::fs::write(authority.file(), authority.issuer.pem()).expect("write the certificate");
        authority
    }

    /// The file with the authority's own certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// Makes a certificate for a host name; returns the files of the certificate and of its key.
    pub(crate) fn certify(&self, file: &str, host: &str) -> (PathBuf, PathBuf) {
        let mut params = CertificateParams::new(vec![host.to_owned()]).expect("a host name");
        params.distinguished_name.push(DnType::CommonName, file);
        let key = KeyPair::generate().expect("make a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("sign");
        let files = (
            self.dir.join(format!("{file}.pem")),
            self.dir.join(format!("{file}-key.pem")),
        );
        for (file, text) in [(&files.0, certificate.pem()), (&files.1, key.serialize_pem())] {
            std::fs::write(file, text).expect("write the file");
            std::fs::set_permissions(file, Permissions::from_mode(0o600)).expect("make it its owner's");
        }
        files
    }
}
