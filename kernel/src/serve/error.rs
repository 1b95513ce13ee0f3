//! Refusals in the form that clients of the protocol read: `{"error": {"message", "type", "param", "code"}}`.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A refusal.
///
/// # Source
/// Types, codes and statuses are those of <https://platform.openai.com/docs/guides/error-codes>.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    status: StatusCode,
    kind: &'static str,
    param: Option<&'static str>,
    code: Option<&'static str>,
    message: String,
}

impl ApiError {
    /// No token, or a wrong one.
    pub(super) fn token() -> Self {
        let message = "expected `Authorization: Bearer TOKEN` with the token that `datarus serve` told at its start, \
            or that of `DATARUS_TOKEN`";
        Self { code: Some("invalid_api_key"), ..Self::invalid(None, message) }
            .with(StatusCode::UNAUTHORIZED)
    }

    /// A name of this machine was expected, and another one was called.
    pub(super) fn host() -> Self {
        let message = "expected a `Host` of this machine such as `127.0.0.1` or `localhost`: call it by that name, or \
            have the proxy do so";
        Self { kind: "permission_error", ..Self::invalid(None, message) }
            .with(StatusCode::FORBIDDEN)
    }

    /// There is no such thing.
    pub(super) fn not_found(param: Option<&'static str>, message: impl Into<String>) -> Self {
        Self { code: Some("not_found"), ..Self::invalid(param, message) }
            .with(StatusCode::NOT_FOUND)
    }

    /// The request is not what it should be; `param` names the part that is not.
    pub(super) fn invalid(param: Option<&'static str>, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "invalid_request_error",
            param,
            code: None,
            message: message.into(),
        }
    }

    /// What could not be read of a request, with the status that says why, such as 413 for what is too long.
    pub(super) fn unreadable(status: StatusCode, message: impl Into<String>) -> Self {
        Self::invalid(None, message).with(status)
    }

    /// More than is done at a time; later it may be.
    pub(super) fn too_many(message: impl Into<String>) -> Self {
        let code = Some("rate_limit_exceeded");
        Self { kind: "rate_limit_error", code, ..Self::invalid(None, message) }
            .with(StatusCode::TOO_MANY_REQUESTS)
    }

    /// The question was stopped.
    pub(super) fn stopped() -> Self {
        let message =
            "the question was stopped: its thread was deleted or failed, or the server ends";
        Self { kind: "server_error", ..Self::invalid(None, message) }
            .with(StatusCode::SERVICE_UNAVAILABLE)
    }

    /// Something here failed.
    pub(super) fn failed(message: impl ToString) -> Self {
        Self { kind: "server_error", ..Self::invalid(None, message.to_string()) }
            .with(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// As JSON.
    pub(super) fn body(&self) -> Value {
        json!({"error": {
            "message": self.message, "type": self.kind, "param": self.param, "code": self.code,
        }})
    }

    fn with(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }
}

impl From<std::io::Error> for ApiError {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        let headers = response.headers_mut();
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            // Clients would ask again by themselves what took minutes to fail.
            StatusCode::INTERNAL_SERVER_ERROR => {
                headers.insert("x-should-retry", HeaderValue::from_static("false"));
            }
            _ => {}
        }
        response
    }
}

/// What the path of a request names, refused in our form where it cannot be read.
pub(super) struct At<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for At<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path: Result<Path<T>, PathRejection> = Path::from_request_parts(parts, state).await;
        let Path(named) =
            path.map_err(|error| ApiError::unreadable(error.status(), error.body_text()))?;
        Ok(Self(named))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_the_status_the_type_and_the_code_that_clients_know() {
        for (error, status, kind, code) in [
            (ApiError::token(), 401, "invalid_request_error", json!("invalid_api_key")),
            (ApiError::host(), 403, "permission_error", Value::Null),
            (ApiError::not_found(None, "x"), 404, "invalid_request_error", json!("not_found")),
            (ApiError::invalid(None, "x"), 400, "invalid_request_error", Value::Null),
            (ApiError::too_many("x"), 429, "rate_limit_error", json!("rate_limit_exceeded")),
            (ApiError::stopped(), 503, "server_error", Value::Null),
            (ApiError::failed("x"), 500, "server_error", Value::Null),
        ] {
            let body = error.body();
            assert_eq!((&body["error"]["type"], &body["error"]["code"]), (&json!(kind), &code));
            assert!(body["error"]["param"].is_null() && body["error"]["message"].is_string());
            assert_eq!(error.into_response().status(), status);
        }
        let body = ApiError::invalid(Some("messages"), "x").body();
        assert_eq!(body["error"]["param"], "messages");
    }
}
