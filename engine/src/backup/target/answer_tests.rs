use super::*;

fn refusal(status: u16, body: &str) -> Failure {
    let secret = [("AWS_SECRET_ACCESS_KEY".to_owned(), "hunter2".to_owned())];
    refused(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes(), &Credentials::new(secret))
}

fn s3(code: &str, message: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message><RequestId>1</RequestId></Error>"
    )
}

#[test]
fn codes_say_what_it_is() {
    for (status, code, kind) in [
        (404, "NoSuchBucket", ErrorKind::NoBucket),
        (404, "NoSuchKey", ErrorKind::NotFound),
        (403, "RequestTimeTooSkewed", ErrorKind::ClockSkew),
        (403, "AccessDenied", ErrorKind::Denied),
        (403, "InvalidAccessKeyId", ErrorKind::Credentials),
        (403, "SignatureDoesNotMatch", ErrorKind::Credentials),
        (503, "SlowDown", ErrorKind::Timeout),
        (507, "XMinioStorageFull", ErrorKind::NoSpace),
        (500, "InternalError", ErrorKind::Unreachable),
        (418, "Something", ErrorKind::Other),
    ] {
        let failure = refusal(status, &s3(code, "The words."));
        assert_eq!(failure.kind, kind, "{code}: {failure}");
        assert!(failure.why.contains(code), "{failure}");
    }
}

#[test]
fn a_proxys_page_is_not_repeated() {
    let failure = refusal(502, "<html><body><h1>Bad gateway</h1></body></html>");
    assert_eq!(failure.why, "the server, or a proxy before it, answers 502 Bad Gateway");
    assert!(failure.passing);
}

#[test]
fn the_region_of_a_bucket_that_is_elsewhere_is_said() {
    let body =
        "<Error><Code>AuthorizationHeaderMalformed</Code><Message>wrong</Message><Region>eu-west-1</Region></Error>";
    let failure = refusal(400, body);
    assert!(failure.next_step.unwrap().contains("@eu-west-1/"));
}

#[test]
fn a_clock_that_azure_refuses_is_told_from_a_key() {
    let body = "<Error><Code>AuthenticationFailed</Code><Message>Server failed</Message>\
        <AuthenticationErrorDetail>Request date header too old: 'x'</AuthenticationErrorDetail></Error>";
    let failure = refusal(403, body);
    assert_eq!((failure.kind, failure.next_step), (ErrorKind::ClockSkew, None));
    assert_eq!(refusal(403, &s3("AuthenticationFailed", "x")).kind, ErrorKind::Credentials);
}

/// Azurite's answer to a wrong key, and Azure's to an address that its network rules don't know.
#[test]
fn a_wrong_key_is_told_from_a_closed_door() {
    let azurite = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<Error>\n  <Code>AuthorizationFailure</Code>\n  \
        <Message>Server failed to authenticate the request. Make sure the value of the Authorization header is formed correctly \
        including the signature.\nRequestId:6ad2ff2e-4d0c-4c9a-8a3d-0a1b2c3d4e5f\nTime:2026-11-22T08:00:00.000Z</Message>\n</Error>";
    let failure = refusal(403, azurite);
    assert_eq!(failure.kind, ErrorKind::Credentials, "{failure}");
    assert!(failure.next_step.unwrap().contains("AZBLOB_ACCOUNT_KEY"));
    let azure = refusal(403, &s3("AuthorizationFailure", "This request is not authorized to perform this operation."));
    assert_eq!((azure.kind, azure.next_step), (ErrorKind::Denied, None));
}

#[test]
fn a_server_that_repeats_a_secret_is_not_quoted() {
    let failure = refusal(400, &s3("Odd", "your secret &quot;hunter2&quot; is\nodd"));
    assert_eq!(failure.why, "the server refuses it (Odd: your secret \"***\" is odd)");
}
