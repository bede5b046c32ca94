//! An authority of the test's own and certificates by it, as files.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

/// A certificate and its key.
pub struct Files {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// The authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Its own certificate, for phones.
    pub file: PathBuf,
}

impl Authority {
    pub fn new(folder: &Path) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "authority of a test");
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        let file = folder.join("ca.pem");
        fs::write(&file, issuer.pem()).unwrap();
        Self { issuer, file }
    }

    /// Writes a certificate of the server, and of `name` beside, over the one before it.
    pub fn certify(&self, folder: &Path, name: &str) -> Files {
        let key = KeyPair::generate().unwrap();
        let names = ["strowger.test", "127.0.0.1", name].map(str::to_owned);
        let params = CertificateParams::new(names).unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        let files = Files {
            certificate: folder.join("server.pem"),
            key: folder.join("server.key"),
        };
        fs::write(&files.certificate, signed.pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }

    /// What a client trusts.
    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        let own = CertificateDer::from(self.issuer.der().to_vec());
        roots.add(own).unwrap();
        roots
    }
}
