//! `GET /metrics` and `GET /healthz` for monitoring.
//!
//! Only what the engine tells of itself; nothing can be changed here. There is no login, so the port belongs on the loopback
//! address or behind something that has one.

mod families;
mod health;
mod listener;
mod native;
mod process;
#[cfg(test)]
mod testing;
mod text;

use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tracing::{info, warn};
use tributary::StatusHandle;

use crate::config::MetricsOptions;
use crate::exit::Failure;
use listener::Bounded;

const PLAIN_TEXT: &str = "text/plain; charset=utf-8";
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// What a scraper accepts that reads `OpenMetrics`.
const OPEN_METRICS: &[u8] = b"application/openmetrics-text";
const OPEN_METRICS_TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A port that listens and does not answer yet.
pub(crate) struct MetricsPort(TcpListener);

impl MetricsPort {
    /// Listens.
    ///
    /// # Errors
    /// A [`Failure`] when the address is not this machine's, or the port is taken.
    pub(crate) async fn listen(options: &MetricsOptions) -> Result<Self, Failure> {
        let MetricsOptions { address, port } = options;
        let listener = TcpListener::bind((address.as_str(), *port)).await;
        let listener = listener.map_err(|error| {
            Failure::failed(format!(
                "listen for metrics at {address}:{port}: {error}; see metrics_port and metrics_bind_address"
            ))
        })?;
        match listener.local_addr() {
            Ok(address) if !address.ip().is_loopback() => {
                warn!(%address, "metrics are open to other machines, without a login and without TLS");
            }
            Ok(address) => info!(%address, "listening for metrics"),
            Err(_) => {}
        }
        Ok(Self(listener))
    }

    /// Answers until it is dropped.
    pub(crate) async fn serve(self, engine: StatusHandle) {
        let router = Router::new()
            .route("/metrics", get(metrics))
            .route("/healthz", get(healthz))
            .fallback(nothing_here)
            .with_state(engine);
        if let Err(error) = axum::serve(Bounded::new(self.0), router).await {
            warn!(%error, "metrics are no longer served");
        }
    }
}

async fn metrics(State(engine): State<StatusHandle>, headers: HeaderMap) -> Response {
    // The text is right in both formats; what differs is how a scraper reads names of counters and the last line.
    let asks_for_open_metrics = headers.get_all(ACCEPT).iter().any(|value| {
        value
            .as_bytes()
            .windows(OPEN_METRICS.len())
            .any(|part| part == OPEN_METRICS)
    });
    let format = if asks_for_open_metrics {
        OPEN_METRICS_TEXT
    } else {
        PROMETHEUS_TEXT
    };
    match text::render(&engine) {
        Ok(text) => answer(StatusCode::OK, format, text),
        Err(error) => answer(
            StatusCode::INTERNAL_SERVER_ERROR,
            PLAIN_TEXT,
            format!("render the metrics: {error}\n"),
        ),
    }
}

async fn healthz(State(engine): State<StatusHandle>) -> Response {
    let (is_healthy, text) = health::render(&engine.status());
    let code = if is_healthy {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    answer(code, PLAIN_TEXT, text)
}

async fn nothing_here() -> Response {
    answer(
        StatusCode::NOT_FOUND,
        PLAIN_TEXT,
        "here are /metrics and /healthz\n".to_owned(),
    )
}

/// Every answer ends its connection: a monitor asks every few seconds, and connections that wait for the next question would use up
/// those there may be.
fn answer(code: StatusCode, content_type: &'static str, text: String) -> Response {
    let headers = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-store"),
        (CONNECTION, "close"),
    ];
    (code, headers, text).into_response()
}
