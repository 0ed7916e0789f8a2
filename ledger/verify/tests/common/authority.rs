//! A timestamp authority of one's own, made with the command line of OpenSSL: a second implementation to check ours
//! against. `daicho-tests` puts HTTP in front of it (`tests/src/tsa.rs`).

use std::io::{Error, Result, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The policy of tokens when the request asks for none.
pub(crate) const POLICY: &str = "1.2.392.99999.1";

/// How the authority is made. The default is one as it should be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan<'a> {
    /// Arguments of `openssl genpkey` for the key that signs tokens.
    pub(crate) key: &'a str,
    /// Digest that tokens are signed with.
    pub(crate) digest: &'a str,
    /// Extensions of the certificate, one a line.
    pub(crate) extensions: &'a str,
    /// First and last second of the certificate, as `YYYYMMDDhhmmssZ`.
    pub(crate) valid: (&'a str, &'a str),
    /// Whether another authority stands between the root and this one.
    pub(crate) intermediate: bool,
    /// More lines of the configuration of `openssl ts`; they win over those that are there.
    pub(crate) options: &'a str,
}

impl Default for Plan<'_> {
    fn default() -> Self {
        Self {
            key: "-algorithm EC -pkeyopt ec_paramgen_curve:P-256",
            digest: "sha256",
            extensions: "keyUsage = critical, digitalSignature\nextendedKeyUsage = critical, timeStamping",
            valid: ("20200101000000Z", "20991231235959Z"),
            intermediate: false,
            options: "",
        }
    }
}

/// An authority in a folder. Nothing runs; each answer is one call of OpenSSL.
#[derive(Debug)]
pub(crate) struct Authority {
    folder: PathBuf,
}

impl Authority {
    /// Makes keys, certificates and configuration below `folder`, which must be empty.
    pub(crate) fn make(folder: &Path, plan: &Plan<'_>) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let this = Self { folder: folder.to_owned() };
        this.write("openssl.cnf", &configuration(folder, plan))?;
        this.write("index", "")?;
        this.write("serial", "01")?;
        this.openssl(
            "req -x509 -config openssl.cnf -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout root.key \
             -out root.pem -days 3650 -subj /O=Test/CN=Root -extensions issuer",
            &[],
        )?;
        let mut issuer = "root";
        if plan.intermediate {
            this.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out middle.key", &[])?;
            this.certify("middle", "/O=Test/CN=Middle", "issuer", issuer, Plan::default().valid)?;
            issuer = "middle";
        }
        this.openssl(&format!("genpkey {} -out tsa.key", plan.key), &[])?;
        this.certify("tsa", "/O=Test/CN=Timestamps", "tsa_certificate", issuer, plan.valid)?;
        std::fs::copy(this.file(&format!("{issuer}.pem")), this.file("chain.pem"))?;
        Ok(this)
    }

    /// A certificate `<name>.pem` for the key `<name>.key`, with the extensions in a section of the configuration.
    pub(crate) fn certify(
        &self,
        name: &str,
        subject: &str,
        section: &str,
        issuer: &str,
        (from, to): (&str, &str),
    ) -> Result<()> {
        let request = format!("req -new -config openssl.cnf -key {name}.key -subj {subject}");
        self.write("request", &String::from_utf8_lossy(&self.openssl(&request, &[])?))?;
        let sign = format!(
            "ca -batch -notext -config openssl.cnf -cert {issuer}.pem -keyfile {issuer}.key -in request \
             -out {name}.pem -extensions {section} -startdate {from} -enddate {to}"
        );
        self.openssl(&sign, &[]).map(drop)
    }

    /// A file of the authority: `root.pem`, `tsa.key` and so on.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A certificate in DER.
    pub(crate) fn der(&self, name: &str) -> Result<Vec<u8>> {
        self.openssl(&format!("x509 -in {name}.pem -outform DER"), &[])
    }

    /// The response to a request, both in DER. A refusal is a response as well.
    pub(crate) fn answer(&self, request: &[u8]) -> Result<Vec<u8>> {
        self.openssl("ts -reply -config openssl.cnf -queryfile /dev/stdin", request)
    }

    /// Runs OpenSSL in the folder and gives what it writes.
    pub(crate) fn openssl(&self, arguments: &str, input: &[u8]) -> Result<Vec<u8>> {
        let mut child = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        // The input is short; it fits into the pipe before anything is read. Taken, so that it is closed.
        child.stdin.take().expect("it is piped").write_all(input)?;
        let output = child.wait_with_output()?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Error::other(format!("openssl {arguments}: {words}")))
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        std::fs::write(self.file(name), text)
    }
}

fn configuration(folder: &Path, plan: &Plan<'_>) -> String {
    let Plan { digest, extensions, options, .. } = plan;
    let folder = folder.display();
    format!(
        "[req]
distinguished_name = subject
[subject]
[ca]
default_ca = authority
[authority]
database = {folder}/index
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
unique_subject = no
policy = names
[names]
organizationName = supplied
commonName = supplied
[issuer]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
[tsa_certificate]
{extensions}
[tsa]
default_tsa = timestamps
[timestamps]
serial = {folder}/tokens
crypto_device = builtin
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
certs = {folder}/chain.pem
signer_digest = {digest}
default_policy = {POLICY}
other_policies = 1.2.392.99999.2
digests = sha256, sha384, sha512
accuracy = secs:1, millisecs:500, microsecs:100
tsa_name = yes
ess_cert_id_alg = sha256
{options}
"
    )
}
