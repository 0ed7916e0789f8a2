//! `daicho report deletion` against a server that answers with the documented sample, in pieces.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::pin::Pin;
use std::process::Output;
use std::sync::{Arc, Mutex};

use daicho_core::proto::report_service_server::{ReportService, ReportServiceServer};
use daicho_core::proto::{GetDeletionReportRequest, GetDeletionReportResponse};
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

const SAMPLE: &[u8] = include_bytes!("../../../docs/formats/report-sample.json");

#[derive(Default, Clone)]
struct Fake(Arc<Mutex<Vec<GetDeletionReportRequest>>>);

#[tonic::async_trait]
impl ReportService for Fake {
    type GetDeletionReportStream =
        Pin<Box<dyn Stream<Item = Result<GetDeletionReportResponse, Status>> + Send>>;

    async fn get_deletion_report(
        &self,
        request: Request<GetDeletionReportRequest>,
    ) -> Result<Response<Self::GetDeletionReportStream>, Status> {
        let request = request.into_inner();
        if request.scheme == "unknown" {
            return Err(Status::not_found("no scheme `unknown`"));
        }
        self.0.lock().unwrap().push(request);
        // Pieces that end in the middle of characters.
        let pieces: Vec<_> =
            SAMPLE.chunks(1_001).map(|json| Ok(GetDeletionReportResponse { json: json.to_vec() })).collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(pieces))))
    }
}

async fn serve() -> (Fake, String) {
    let fake = Fake::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let service = ReportServiceServer::new(fake.clone());
    tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
    (fake, server)
}

async fn run(server: &str, args: &[&str]) -> Output {
    tokio::process::Command::new(env!("CARGO_BIN_EXE_daicho"))
        .args(["report", "deletion"])
        .args(args)
        .env_clear()
        .env("DAICHO_SERVER", server)
        .output()
        .await
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_report_comes_in_pieces_and_is_drawn_in_each_form() {
    let (fake, server) = serve().await;
    let terms = ["--scheme", "queue_notice_service", "--from", "2021-02-01", "--to", "2021-02-28"];
    let with = |more: &[&'static str]| [&terms[..], more].concat();

    let json = run(&server, &with(&["--format", "json", "--as-of", "2021-02-28"])).await;
    assert_eq!(json.stdout, SAMPLE, "{}", text(&json.stderr));
    let asked = fake.0.lock().unwrap()[0].clone();
    assert_eq!((asked.from.as_str(), asked.to.as_str()), ("2021-02-01", "2021-02-28"));
    assert_eq!(asked.as_of_ms, 1_614_524_399_999);

    let plain = run(&server, &with(&["--lang", "ja"])).await;
    assert!(text(&plain.stdout).contains("期限を過ぎても消去・返却されていない複製が1件"));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    let path = file.to_str().unwrap();
    let html = [&terms[..], &["--format", "html", "--out", path, "--lang", "en"]].concat();
    let page = run(&server, &html).await;
    assert!(text(&page.stdout).contains("written to") && page.status.success(), "{}", text(&page.stderr));
    assert!(std::fs::read_to_string(&file).unwrap().contains("Report on the deletion of personal data"));

    // A name that is taken is not written over unasked.
    std::fs::write(&file, "a private key").unwrap();
    let again = run(&server, &html).await;
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("--force"), "{}", text(&again.stderr));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "a private key");
    let forced = run(&server, &[&html[..], &["--force"]].concat()).await;
    assert!(forced.status.success() && std::fs::read_to_string(&file).unwrap().contains("Report on"));
    let tables = [&terms[..], &["--format", "csv", "--out", folder.path().to_str().unwrap()]].concat();
    let among_others = run(&server, &tables).await;
    assert_eq!(among_others.status.code(), Some(2));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn wrong_terms_are_explained() {
    let (_, server) = serve().await;
    let cases = [
        (["unknown", "2021-02-01", "2021-02-28"], "no scheme `unknown`"),
        (["queue_notice_service", "2021-03-01", "2021-02-28"], "before the day of --from"),
        (["queue_notice_service", "2021-02-30", "2021-03-28"], "`2021-02-30` is no date"),
    ];
    for ([scheme, from, to], words) in cases {
        let output = run(&server, &["--scheme", scheme, "--from", from, "--to", to]).await;
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(words), "{}", text(&output.stderr));
    }
}
