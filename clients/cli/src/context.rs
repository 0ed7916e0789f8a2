//! What every command is given.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow};
use clap::ValueEnum;
use daicho_client::{Client, ClientError, Security};
use daicho_core::{Date, Instant, SigningKey};
use daicho_tlog::Policy;
use futures::future::BoxFuture;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::scheme::Lang;

/// Form of the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Words and tables for people.
    Text,
    /// JSON for programs: one object per line.
    Json,
}

/// The global options.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) server: String,
    pub(crate) lang: Lang,
    pub(crate) output: Output,
    /// The authority of the server's certificate.
    pub(crate) ca: Option<PathBuf>,
    /// The key by which the ledger knows the caller.
    pub(crate) identity: Option<PathBuf>,
}

impl Context {
    /// For tests of what is shown: no server.
    #[cfg(test)]
    pub(crate) fn showing(lang: Lang) -> Self {
        Self { server: String::new(), lang, output: Output::Text, ca: None, identity: None }
    }

    /// Connects to the server, as the holder of the key that was given for it.
    pub(crate) async fn connect(&self) -> anyhow::Result<Client> {
        self.open(self.given()?.as_ref()).await
    }

    /// Connects as the holder of a key that signs anyhow, where none was given for the connection.
    pub(crate) async fn connect_as(&self, signer: &SigningKey) -> anyhow::Result<Client> {
        self.open(self.given()?.as_ref().or(Some(signer))).await
    }

    /// Connects as the holder of this key, whatever was given: in a play each party has its own.
    pub(crate) async fn connect_alone(&self, key: &SigningKey) -> anyhow::Result<Client> {
        self.open(Some(key)).await
    }

    /// Connects anew whenever it is called, as the holder of a key that signs anyhow, where none was given.
    pub(crate) fn connector(
        &self,
        signer: &Arc<SigningKey>,
    ) -> anyhow::Result<impl Fn() -> BoxFuture<'static, Result<Client, ClientError>> + Send + 'static> {
        let authority = self.authority()?.map(Arc::new);
        let identity = self.given()?.map_or_else(|| Arc::clone(signer), Arc::new);
        let server = self.server.clone();
        Ok(move || {
            let (server, authority, identity) = (server.clone(), authority.clone(), Arc::clone(&identity));
            Box::pin(async move {
                let authority = authority.as_ref().map(|pem| pem.as_slice());
                Client::connect_as(&server, &Security { authority, identity: Some(&identity) }).await
            }) as BoxFuture<'static, _>
        })
    }

    /// The key of `--identity`.
    pub(crate) fn given(&self) -> anyhow::Result<Option<SigningKey>> {
        self.identity.as_deref().map(|path| crate::key::load(path, self)).transpose()
    }

    /// The authority of `--ca`, in PEM. One that holds no certificate would be believed to be there.
    fn authority(&self) -> anyhow::Result<Option<Vec<u8>>> {
        let Some(path) = self.ca.as_deref() else { return Ok(None) };
        let pem = self.read(path)?;
        if CertificateDer::pem_slice_iter(&pem).next().is_none_or(|first| first.is_err()) {
            return Err(anyhow!(self.no_certificate(path)));
        }
        Ok(Some(pem))
    }

    async fn open(&self, identity: Option<&SigningKey>) -> anyhow::Result<Client> {
        let authority = self.authority()?;
        let security = Security { authority: authority.as_deref(), identity };
        Ok(Client::connect_as(&self.server, &security).await?)
    }

    /// The text in the chosen language.
    pub(crate) fn pick<T>(&self, ja: T, en: T) -> T {
        self.lang.either(ja, en)
    }

    /// Whether the results are JSON.
    pub(crate) fn json(&self) -> bool {
        self.output == Output::Json
    }

    /// Reads a file whole.
    pub(crate) fn read(&self, path: &std::path::Path) -> anyhow::Result<Vec<u8>> {
        let what = || {
            let path = path.display();
            self.pick(format!("{path} を読めません"), format!("cannot read {path}"))
        };
        std::fs::read(path).with_context(what)
    }

    /// Reads a trust policy.
    pub(crate) fn policy(&self, path: &std::path::Path) -> anyhow::Result<Policy> {
        Policy::parse(&self.read(path)?).map_err(|error| {
            let path = path.display();
            anyhow!(self.pick(
                format!("{path} は信頼方針（C2SP tlog-policy）として読めません（{error}）"),
                format!("{path} is no trust policy of C2SP tlog-policy: {error}"),
            ))
        })
    }

    /// Writes a file whole. One that is there is written over by force alone.
    pub(crate) fn write(&self, path: &std::path::Path, bytes: &[u8], force: bool) -> anyhow::Result<()> {
        if force {
            return std::fs::write(path, bytes).with_context(|| self.cannot_write(path));
        }
        if self.create(path, bytes)? { Ok(()) } else { Err(self.is_there(path)) }
    }

    /// Fails for files that would not be written, before the work for them is done. Each needs a name of its own.
    pub(crate) fn vacant<'p>(
        &self,
        files: impl IntoIterator<Item = &'p std::path::PathBuf>,
        force: bool,
    ) -> anyhow::Result<()> {
        let files: Vec<_> = files.into_iter().collect();
        self.distinct(&files)?;
        match files.into_iter().find(|file| !force && file.exists()) {
            Some(file) => Err(self.is_there(file)),
            None => Ok(()),
        }
    }

    /// Fails where two outputs have one name.
    pub(crate) fn distinct(&self, files: &[&std::path::PathBuf]) -> anyhow::Result<()> {
        for (n, file) in files.iter().enumerate() {
            let path = file.display();
            anyhow::ensure!(
                !files[..n].contains(file),
                self.pick(
                    format!("{path} を二つの出力に指定しています。別の名前を指定してください"),
                    format!("{path} is named for two outputs; they need two names"),
                )
            );
        }
        Ok(())
    }

    fn is_there(&self, path: &std::path::Path) -> anyhow::Error {
        let path = path.display();
        anyhow!(self.pick(
            format!(
                "{path} は既にあります。別の名前を指定するか、上書きしてよければ --force を付けてください"
            ),
            format!("{path} is there already; name another file, or say --force to write over it"),
        ))
    }

    /// Writes a file that must not be there yet: evidence is not written over. Says whether it was written.
    pub(crate) fn create(&self, path: &std::path::Path, bytes: &[u8]) -> anyhow::Result<bool> {
        use std::io::Write as _;
        match std::fs::OpenOptions::new().write(true).create_new(true).open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error).with_context(|| self.cannot_write(path)),
            Ok(mut file) => {
                let written = file.write_all(bytes).and_then(|()| file.sync_all());
                written.with_context(|| self.cannot_write(path))?;
                Ok(true)
            }
        }
    }

    /// What to say when a file cannot be written.
    pub(crate) fn cannot_write(&self, path: &std::path::Path) -> String {
        let path = path.display();
        self.pick(format!("{path} に書き込めません"), format!("cannot write {path}"))
    }

    /// What to say of a file that should hold a certificate.
    pub(crate) fn no_certificate(&self, path: &std::path::Path) -> String {
        let path = path.display();
        self.pick(
            format!("{path} に証明書（PEM）がありません"),
            format!("{path} holds no certificate in PEM"),
        )
    }

    /// A time given as a date (its end, in Japan) or as an instant; 0, which means now, when absent.
    pub(crate) fn moment(&self, text: Option<&str>) -> anyhow::Result<i64> {
        let Some(text) = text else { return Ok(0) };
        let instant = Date::parse(text).map(Date::end).or_else(|| Instant::parse(text));
        instant.map(Instant::unix_ms).ok_or_else(|| {
            anyhow!(self.pick(
                format!("「{text}」は日時として読めません。2021-04-01 または 2021-04-01T09:00 のように指定してください"),
                format!("`{text}` is no time; write 2021-04-01 or 2021-04-01T09:00"),
            ))
        })
    }
}

/// The time by the clock of this machine, in whole seconds.
pub(crate) fn now_here() -> Instant {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(since)
        .ok()
        .and_then(|s| Instant::from_unix_ms(s.checked_mul(1000)?))
        .unwrap_or(Instant::EPOCH)
}
