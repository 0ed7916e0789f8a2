//! Connections for gRPC and for tiles: TLS 1.3 by default, and whose they are.
//!
//! A caller shows who it is with a self-signed certificate over a key that the ledger knows: the ledger is the register of
//! keys, so no second one (an authority for clients) has to be kept, and a key that is revoked in the ledger is revoked
//! here. TLS proves that the caller holds the key; whose it is, and what they may do, is asked at every call.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use daicho_core::{KeyId, PublicKey};
use rustls::DigitallySignedStruct;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{DistinguishedName, ServerConfig, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;
use x509_cert::der::Decode as _;

use crate::config::{Config, ConfigError, beside};
use crate::idle::Idle;

/// Most connections at a time.
pub(crate) const MAX_CONNECTIONS: usize = 12_000;
/// Most of them of callers whom the ledger does not know, and as many of each party: nobody takes them all.
const MAX_OF_ONE: usize = MAX_CONNECTIONS / 4;
/// Longest time that a caller may take to show who it is.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long nothing may move over a connection of HTTP/1.1.
const HTTP_IDLE_LIMIT: Duration = Duration::from_secs(60);
/// How often the certificate's files are looked at.
const RELOAD_EVERY: Duration = Duration::from_secs(30);
/// Ed25519 in certificates (RFC 8410 §3).
const ID_ED25519: &str = "1.3.101.112";

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Somebody on this machine, over a connection without TLS.
    Local,
    /// Somebody who did not say.
    Unknown,
    /// The holder of a key.
    Key(KeyId),
}

/// A connection that stands.
pub(crate) struct Connection {
    stream: Stream,
    peer: Peer,
    _permit: OwnedSemaphorePermit,
    _place: Option<OwnedSemaphorePermit>,
}

enum Stream {
    Plain(Idle<TcpStream>),
    Tls(Box<TlsStream<Idle<TcpStream>>>),
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer()
    }
}

impl Connection {
    /// Who is at the other end.
    pub(crate) fn peer(&self) -> Peer {
        self.peer
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// How connections begin.
enum Greeting {
    Plain,
    Tls(TlsAcceptor),
}

/// What is spoken over a connection, as TLS names it (RFC 7301).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Protocol {
    /// HTTP/2, as gRPC is.
    Grpc,
    /// HTTP/1.1.
    Http,
}

impl Protocol {
    /// How long nothing may move over a connection.
    fn idle_limit(self) -> Option<Duration> {
        match self {
            // It pings those that are silent, and may be followed for days.
            Self::Grpc => None,
            Self::Http => Some(HTTP_IDLE_LIMIT),
        }
    }
}

/// Connections as they stand.
pub(crate) type Incoming = ReceiverStream<io::Result<Connection>>;

/// Listens at an address, which the setting of this name gives. Runs on a runtime. `knows` says whether a caller is one of the
/// ledger's.
///
/// # Errors
/// When the address or the certificate cannot be used, or TLS is switched off for an address that others reach.
pub(crate) async fn listen(
    (setting, address): (&str, SocketAddr),
    protocol: Protocol,
    config: &Config,
    shares: impl Fn(Peer) -> Option<Arc<str>> + Send + Sync + 'static,
) -> anyhow::Result<(SocketAddr, Incoming)> {
    let greeting = if config.plaintext {
        if !address.ip().is_loopback() {
            let text =
                "plaintext: only for an address of this machine, such as 127.0.0.1: it lets in whoever calls";
            return Err(ConfigError::new(text).into());
        }
        tracing::warn!(setting, "no TLS: whoever is on this machine may read and change everything");
        Greeting::Plain
    } else {
        Greeting::Tls(acceptor(config, protocol)?)
    };
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| ConfigError::new(format!("{setting} {address}: {error}")))?;
    let address = listener.local_addr()?;
    let room = Room::for_callers(MAX_CONNECTIONS, MAX_OF_ONE);
    Ok((address, take(listener, greeting, protocol.idle_limit(), room, shares)))
}

/// How many connections may stand at a time.
struct Room {
    all: Arc<Semaphore>,
    of_one: usize,
    /// Of each party that ever called; under no name those whom the ledger does not know.
    parties: Mutex<HashMap<Arc<str>, Arc<Semaphore>>>,
}

impl Room {
    /// For so many callers, so many of them of one party, or unknown to the ledger.
    fn for_callers(all: usize, of_one: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), of_one, parties: Mutex::default() }
    }

    /// A place among those of a party. `None` when it has all of them.
    fn place(&self, party: Arc<str>) -> Option<OwnedSemaphorePermit> {
        let mut parties = self.parties.lock().unwrap_or_else(PoisonError::into_inner);
        let places = parties.entry(party).or_insert_with(|| Arc::new(Semaphore::new(self.of_one)));
        Arc::clone(places).try_acquire_owned().ok()
    }
}

/// Takes callers as long as somebody takes their connections.
fn take(
    listener: TcpListener,
    greeting: Greeting,
    idle: Option<Duration>,
    room: Room,
    shares: impl Fn(Peer) -> Option<Arc<str>> + Send + Sync + 'static,
) -> Incoming {
    let room = Arc::new(room);
    let (sender, receiver) = mpsc::channel(64);
    let (greeting, shares) = (Arc::new(greeting), Arc::new(shares));
    tokio::spawn(async move {
        loop {
            // Callers beyond the limit wait in the system's queue.
            let Ok(permit) = Arc::clone(&room.all).acquire_owned().await else { return };
            let stream = tokio::select! {
                accepted = listener.accept() => accepted,
                () = sender.closed() => return,
            };
            let (stream, from) = match stream {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    // No handles left: taking the next at once would only turn.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let (greeting, sender) = (Arc::clone(&greeting), sender.clone());
            let (room, shares) = (Arc::clone(&room), Arc::clone(&shares));
            tokio::spawn(async move {
                match tokio::time::timeout(HANDSHAKE_TIMEOUT, greet(&greeting, stream, idle, permit)).await {
                    Ok(Ok(mut connection)) => {
                        if let Some(party) = shares(connection.peer) {
                            match room.place(Arc::clone(&party)) {
                                Some(place) => connection._place = Some(place),
                                None => {
                                    return tracing::debug!(%from, %party, "too many callers of one party");
                                }
                            }
                        }
                        // The server stops where nobody takes it.
                        drop(sender.send(Ok(connection)).await);
                    }
                    Ok(Err(error)) => tracing::debug!(%from, %error, "no connection came about"),
                    Err(_) => tracing::debug!(%from, "a caller did not show who it is in time"),
                }
            });
        }
    });
    ReceiverStream::new(receiver)
}

async fn greet(
    greeting: &Greeting,
    stream: TcpStream,
    idle: Option<Duration>,
    permit: OwnedSemaphorePermit,
) -> io::Result<Connection> {
    // Answers are small; held back for more, they would wait for the other side's delayed acknowledgement.
    stream.set_nodelay(true)?;
    let stream = Idle::new(stream, idle);
    let (stream, peer) = match greeting {
        Greeting::Plain => (Stream::Plain(stream), Peer::Local),
        Greeting::Tls(acceptor) => {
            let stream = acceptor.accept(stream).await?;
            let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let peer = match shown.map(|certificate| key_of(certificate)) {
                None => Peer::Unknown,
                Some(Some(key)) => Peer::Key(key),
                Some(None) => return Err(io::Error::other("a certificate without an Ed25519 key")),
            };
            (Stream::Tls(Box::new(stream)), peer)
        }
    };
    Ok(Connection { stream, peer, _permit: permit, _place: None })
}

/// The key that a certificate is over. Nothing else of it is believed.
fn key_of(certificate: &CertificateDer<'_>) -> Option<KeyId> {
    let certificate = x509_cert::Certificate::from_der(certificate).ok()?;
    let info = certificate.tbs_certificate.subject_public_key_info;
    if info.algorithm.oid.to_string() != ID_ED25519 {
        return None;
    }
    let key: [u8; 32] = info.subject_public_key.as_bytes()?.try_into().ok()?;
    Some(PublicKey::from_bytes(key).id())
}

fn acceptor(config: &Config, protocol: Protocol) -> anyhow::Result<TlsAcceptor> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate = Arc::new(Reloading::new(Files::of(config), Arc::clone(&provider))?);
    certificate.watch(RELOAD_EVERY);
    presenting(certificate, provider, protocol)
}

/// Greets with the certificate that is the current one then.
fn presenting(
    certificate: Arc<Reloading>,
    provider: Arc<CryptoProvider>,
    protocol: Protocol,
) -> anyhow::Result<TlsAcceptor> {
    let mut tls = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(AnyHolder(provider)))
        .with_cert_resolver(certificate);
    tls.alpn_protocols = match protocol {
        Protocol::Grpc => vec![b"h2".to_vec()],
        Protocol::Http => vec![b"http/1.1".to_vec()],
    };
    Ok(TlsAcceptor::from(Arc::new(tls)))
}

/// Lets in whoever proves to hold the key of the certificate that it shows, and whoever shows none.
#[derive(Debug)]
struct AnyHolder(Arc<CryptoProvider>);

impl ClientCertVerifier for AnyHolder {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 alone is spoken".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// The server's certificate and key.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn of(config: &Config) -> Self {
        let folder = beside(&config.data, "tls");
        Self {
            certificate: config.tls_certificate.clone().unwrap_or_else(|| folder.join(SERVER_CERTIFICATE)),
            key: config.tls_key.clone().unwrap_or_else(|| folder.join(SERVER_KEY)),
        }
    }

    fn read(&self, provider: &CryptoProvider) -> anyhow::Result<CertifiedKey> {
        let place =
            |path: &Path| format!("TLS: {}; `daichod init` makes one, or use --plaintext", path.display());
        let chain: Vec<_> = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect)
            .with_context(|| place(&self.certificate))?;
        let key = crate::keys::tls_key(&self.key).with_context(|| place(&self.key))?;
        CertifiedKey::from_der(chain, key, provider)
            .with_context(|| format!("TLS: {} and {}", self.certificate.display(), self.key.display()))
    }

    fn written(&self) -> Option<(SystemTime, SystemTime)> {
        let time = |path: &Path| path.metadata().and_then(|meta| meta.modified()).ok();
        Some((time(&self.certificate)?, time(&self.key)?))
    }
}

/// A certificate that is read again when its files change.
struct Reloading {
    files: Files,
    provider: Arc<CryptoProvider>,
    current: RwLock<Current>,
}

/// A certificate, and when its files were written.
struct Current {
    key: Arc<CertifiedKey>,
    written: Option<(SystemTime, SystemTime)>,
}

impl std::fmt::Debug for Reloading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reloading")
    }
}

impl Reloading {
    fn new(files: Files, provider: Arc<CryptoProvider>) -> anyhow::Result<Self> {
        let written = files.written();
        let current = RwLock::new(Current { key: Arc::new(files.read(&provider)?), written });
        Ok(Self { files, provider, current })
    }

    /// Looks at the files every so often, until nobody asks for the certificate any more.
    fn watch(self: &Arc<Self>, every: Duration) {
        let weak = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                let Some(certificate) = weak.upgrade() else { return };
                match certificate.look() {
                    Ok(false) => {}
                    Ok(true) => tracing::info!("the certificate was read again"),
                    // Both files are not written at once: it is tried again.
                    Err(error) => {
                        tracing::warn!(error = format!("{error:#}"), "the certificate before stays")
                    }
                }
            }
        });
    }

    /// Reads the files again where they have changed. Says whether they have.
    fn look(&self) -> anyhow::Result<bool> {
        let written = self.files.written();
        if written.is_none() || written == self.current.read().unwrap_or_else(PoisonError::into_inner).written
        {
            return Ok(false);
        }
        let key = Arc::new(self.files.read(&self.provider)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Current { key, written };
        Ok(true)
    }

    fn now(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).key)
    }
}

impl ResolvesServerCert for Reloading {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now())
    }
}

const AUTHORITY_CERTIFICATE: &str = "ca.pem";
const SERVER_CERTIFICATE: &str = "server.pem";
const SERVER_KEY: &str = "server.key";

/// Makes an authority of its own, which signs one certificate for this machine and these names and is then forgotten: its
/// key is written nowhere, so nothing else can be signed with it. For trials and small offices. Returns its certificate's
/// place.
///
/// # Errors
/// When a name is none, or a file cannot be written.
pub(crate) fn make_certificate(data: &Path, names: &[String]) -> anyhow::Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;

    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
    let folder = beside(data, "tls");
    let authority_file = folder.join(AUTHORITY_CERTIFICATE);
    if authority_file.exists() {
        if !names.is_empty() {
            crate::say!("TLS          {} is there and stays; --tls-name was not used", folder.display());
        }
        return Ok(authority_file);
    }
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    authority.distinguished_name.push(DnType::CommonName, "Daicho ledger: authority of one certificate");
    let authority_key = KeyPair::generate()?;
    let authority_certificate = authority.self_signed(&authority_key)?;
    let issuer = Issuer::new(authority, authority_key);
    let own = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let mut server =
        CertificateParams::new(own.into_iter().chain(names.iter().cloned()).collect::<Vec<_>>())?;
    server.distinguished_name.push(DnType::CommonName, "Daicho ledger");
    server.use_authority_key_identifier_extension = true;
    let server_key = KeyPair::generate()?;
    let server_certificate = server.signed_by(&server_key, &issuer)?;
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let write = |name: &str, pem: &str| {
        let path = folder.join(name);
        crate::keys::write_private(&path, pem).with_context(|| format!("writing {}", path.display()))
    };
    // Those of a founding that was interrupted are of no use without their authority.
    for left in [SERVER_CERTIFICATE, SERVER_KEY] {
        match std::fs::remove_file(folder.join(left)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    write(SERVER_CERTIFICATE, &server_certificate.pem())?;
    write(SERVER_KEY, &crate::keys::pem_of(server_key.serialized_der())?)?;
    // Last: where it is, the others are. It is for everybody.
    write(AUTHORITY_CERTIFICATE, &authority_certificate.pem())?;
    std::fs::set_permissions(&authority_file, std::fs::Permissions::from_mode(0o644))?;
    Ok(authority_file)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::io::AsyncReadExt as _;
    use tokio_stream::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn strangers_leave_room_for_those_whom_the_ledger_knows() {
        let known = Arc::new(AtomicBool::new(false));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
        let address = listener.local_addr().expect("bound");
        let knows = Arc::clone(&known);
        let shares = move |_| Some(if knows.load(Ordering::SeqCst) { "one".into() } else { "".into() });
        let mut incoming = take(listener, Greeting::Plain, None, Room::for_callers(4, 2), shares);
        let call = || async { TcpStream::connect(address).await.expect("taken by the system") };
        let (_first, _second) = (call().await, call().await);
        let mut taken = Vec::new();
        for _ in 0..2 {
            taken.push(incoming.next().await.expect("open").expect("a connection"));
        }
        let mut third = call().await;
        assert_eq!(third.read(&mut [0]).await.ok().unwrap_or_default(), 0, "it is let go");

        known.store(true, Ordering::SeqCst);
        let _friends = (call().await, call().await);
        for _ in 0..2 {
            taken.push(incoming.next().await.expect("open").expect("a connection"));
        }
        assert_eq!(taken.len(), 4, "nobody was let in but those four");

        known.store(false, Ordering::SeqCst);
        drop(taken.swap_remove(0));
        let _next = call().await;
        let next = incoming.next().await.expect("open").expect("a stranger's place was free again");
        assert!(next._place.is_some());
    }

    #[test]
    fn strangers_and_parties_leave_each_other_room() {
        let room = Room::for_callers(6, 2);
        let place = |party: &str| room.place(party.into());
        let _strangers = [place("").expect("room"), place("").expect("room")];
        assert!(place("").is_none());
        let first = place("one").expect("those whom the ledger knows have places of their own");
        let _second = place("one").expect("room");
        assert!(place("one").is_none());
        let _other = place("two").expect("another party does not wait");
        drop(first);
        assert!(place("one").is_some());
    }

    #[tokio::test]
    async fn callers_meet_the_renewed_certificate_and_those_who_are_in_stay() {
        use rustls::pki_types::ServerName;
        use tokio::io::AsyncWriteExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let make = |name: &str| {
            let data = folder.path().join(name);
            let authority = make_certificate(&data, &[]).expect("made");
            (beside(&data, "tls"), CertificateDer::from_pem_file(authority).expect("readable"))
        };
        let ((used, first), (renewed, second)) = (make("used"), make("renewed"));
        let files = Files { certificate: used.join(SERVER_CERTIFICATE), key: used.join(SERVER_KEY) };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let certificate =
            Arc::new(Reloading::new(files, Arc::clone(&provider)).expect("a certificate and its key"));
        certificate.watch(Duration::from_millis(5));
        let acceptor = presenting(certificate, Arc::clone(&provider), Protocol::Grpc).expect("TLS");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
        let address = listener.local_addr().expect("bound");
        let room = Room::for_callers(64, 64);
        let mut incoming = take(listener, Greeting::Tls(acceptor), None, room, |_| None);
        // Who trusts one of the two authorities alone.
        let call = |authority: CertificateDer<'static>| {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(authority).expect("an authority");
            let client = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
                .with_protocol_versions(&[&rustls::version::TLS13])
                .expect("TLS 1.3")
                .with_root_certificates(roots)
                .with_no_client_auth();
            let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
            async move {
                let stream = TcpStream::connect(address).await.expect("taken by the system");
                connector.connect(ServerName::try_from("localhost").expect("a name"), stream).await
            }
        };
        let mut within = call(first.clone()).await.expect("the first certificate");
        let mut served = incoming.next().await.expect("open").expect("a connection");
        assert!(call(second.clone()).await.is_err(), "nobody has seen the other one yet");

        let mut time = SystemTime::now() + Duration::from_secs(60);
        for name in [SERVER_KEY, SERVER_CERTIFICATE] {
            let path = used.join(name);
            std::fs::write(&path, std::fs::read(renewed.join(name)).expect("readable")).expect("written");
            time += Duration::from_secs(60);
            std::fs::File::options().append(true).open(path).and_then(|f| f.set_modified(time)).expect("set");
        }
        let begun = std::time::Instant::now();
        while call(second.clone()).await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(30), "the renewed certificate was never shown");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(call(first).await.is_err(), "the one before is shown to nobody");
        within.write_all(b"!").await.expect("it stands");
        let mut heard = [0];
        served.read_exact(&mut heard).await.expect("it stands");
        assert_eq!(&heard, b"!");
    }

    #[test]
    fn a_renewed_certificate_is_used_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let make = |name: &str| {
            let data = folder.path().join(name);
            make_certificate(&data, &[]).expect("made");
            beside(&data, "tls")
        };
        let (used, renewed) = (make("used"), make("renewed"));
        let files = Files { certificate: used.join(SERVER_CERTIFICATE), key: used.join(SERVER_KEY) };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let certificate = Reloading::new(files, provider).expect("readable");
        let first = certificate.now().cert.clone();
        assert!(!certificate.look().expect("looked"), "nothing has changed");

        // A minute later than the files before, whatever the resolution of this disk's times.
        let mut time = SystemTime::now() + Duration::from_secs(60);
        let mut put = |name: &str, bytes: &[u8]| {
            let path = used.join(name);
            std::fs::write(&path, bytes).expect("written");
            time += Duration::from_secs(60);
            std::fs::File::options().append(true).open(path).and_then(|f| f.set_modified(time)).expect("set");
        };
        let read = |name: &str| std::fs::read(renewed.join(name)).expect("readable");
        put(SERVER_CERTIFICATE, b"-----BEGIN CERTIFICATE-----\nnone");
        assert!(certificate.look().is_err());
        put(SERVER_CERTIFICATE, &read(SERVER_CERTIFICATE));
        assert!(certificate.look().is_err(), "the key belongs to the one before");
        assert_eq!(certificate.now().cert, first);
        put(SERVER_KEY, &read(SERVER_KEY));
        assert!(certificate.look().expect("readable"));
        assert_ne!(certificate.now().cert, first);
        assert!(!certificate.look().expect("looked"));
    }
}
