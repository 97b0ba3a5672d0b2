//! The mistakes, in the order in which a connection meets them.

/// Makes the `enum`, the list of all, and their names.
macro_rules! mistakes {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal,)*) => {
        /// One thing that a student's server does wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Mistake {
            $($(#[doc = $doc])* $variant,)*
        }

        impl Mistake {
            pub const ALL: &[Mistake] = &[$(Mistake::$variant,)*];

            /// In snake case, fit for a file name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Mistake::$variant => $name,)*
                }
            }
        }
    };
}

mistakes! {
    // The opening handshake: the value of Sec-WebSocket-Accept.
    /// Base64 of the 40 hex digits of the SHA-1, instead of its 20 bytes.
    AcceptIsBase64OfHex = "accept_is_base64_of_hex",
    /// The hex digits, and no base64 at all.
    AcceptIsHex = "accept_is_hex",
    /// `-` and `_` for `+` and `/`.
    AcceptIsUrlSafe = "accept_is_url_safe",
    /// No `=` at the end.
    AcceptWithoutPadding = "accept_without_padding",
    /// No such header.
    AcceptMissing = "accept_missing",
    /// The 16 bytes of the key are hashed, instead of the text that came.
    KeyDecodedFirst = "key_decoded_first",
    /// The line end of the key is hashed with it.
    KeyNotTrimmed = "key_not_trimmed",
    /// The key itself.
    KeyEchoed = "key_echoed",
    /// The key alone is hashed.
    GuidForgotten = "guid_forgotten",
    GuidInLowerCase = "guid_in_lower_case",
    GuidBeforeKey = "guid_before_key",

    // The opening handshake: the rest of the answer.
    StatusIs200 = "status_is_200",
    UpgradeMissingInAnswer = "upgrade_missing_in_answer",
    ConnectionMissingInAnswer = "connection_missing_in_answer",
    /// LF instead of CRLF.
    LinesEndWithLf = "lines_end_with_lf",
    /// The answer does not end: the browser waits for more headers.
    BlankLineMissing = "blank_line_missing",
    /// Agrees to whatever extension is offered, and speaks none.
    ExtensionEchoed = "extension_echoed",
    /// Chooses `chat`, whatever is offered.
    SubprotocolNotOffered = "subprotocol_not_offered",
    /// Refuses other versions, and does not say with Sec-WebSocket-Version which it speaks.
    VersionNotTold = "version_not_told",

    // The opening handshake: what is asked of the request.
    /// `sec-websocket-key` is not found.
    HeaderNamesComparedCaseSensitively = "header_names_compared_case_sensitively",
    /// `Upgrade: WebSocket` is refused.
    UpgradeComparedCaseSensitively = "upgrade_compared_case_sensitively",
    /// `Connection: keep-alive, Upgrade` is refused: what Firefox sends.
    ConnectionListRefused = "connection_list_refused",
    ConnectionNotRequired = "connection_not_required",
    UpgradeNotRequired = "upgrade_not_required",
    HostNotRequired = "host_not_required",
    /// The accept value is then that of an empty key.
    KeyNotRequired = "key_not_required",
    /// Any key will do, of whatever length.
    KeyNotChecked = "key_not_checked",
    /// None too.
    AnyVersionAccepted = "any_version_accepted",
    /// Any method is.
    PostAccepted = "post_accepted",
    Http10Accepted = "http_1_0_accepted",

    // What the server echoes.
    /// Each message is answered with `HTTP/1.1 200 OK` and the message as its body.
    HttpAfter101 = "http_after_101",
    /// Sends a text of its own before anything was said.
    GreetsFirst = "greets_first",
    /// All that it sends.
    FramesMasked = "frames_masked",
    /// A message comes back as it crossed the wire.
    PayloadNotUnmasked = "payload_not_unmasked",
    /// The key of the first frame is used for all.
    MaskingKeyReadOnce = "masking_key_read_once",
    /// From each frame to the next, where it should begin with the key's first byte.
    MaskIndexRunsOn = "mask_index_runs_on",
    /// The same, but only from fragment to fragment.
    MaskIndexRunsOnInMessage = "mask_index_runs_on_in_message",
    BinaryEchoedAsText = "binary_echoed_as_text",
    TextEchoedAsBinary = "text_echoed_as_binary",
    EmptyMessagesDropped = "empty_messages_dropped",
    /// To each text.
    NewlineAdded = "newline_added",
    /// The loop was forgotten: TCP is closed after the first echo.
    OneMessageOnly = "one_message_only",

    // Lengths.
    /// Read: 126 and 127 are lengths like others, and no bytes of length follow.
    LengthMarkerTakenAsLength = "length_marker_taken_as_length",
    /// Written: the lowest 7 bits, and no bytes of length.
    LengthWrittenIn7Bits = "length_written_in_7_bits",
    /// Written: of a text, the characters are counted and not the bytes.
    LengthCountsCharacters = "length_counts_characters",
    /// Read: little end first.
    Length16ReadSwapped = "length_16_read_swapped",
    /// Written: little end first.
    Length16WrittenSwapped = "length_16_written_swapped",
    /// Written: 126 to 65535 in 8 bytes, where 2 are enough.
    Length16WrittenAs64 = "length_16_written_as_64",
    /// Written: 65536 as 0, in 2 bytes.
    LengthCutTo16Bits = "length_cut_to_16_bits",
    /// Read: 4 bytes instead of 8.
    Length64ReadAs32 = "length_64_read_as_32",
    /// Written: 4 bytes instead of 8.
    Length64WrittenIn4Bytes = "length_64_written_in_4_bytes",

    // Fragments.
    /// Each as a message of its own.
    FragmentsEchoedOneByOne = "fragments_echoed_one_by_one",
    /// Only the first fragment is echoed.
    ContinuationsIgnored = "continuations_ignored",
    PingInsideMessageRefused = "ping_inside_message_refused",

    // Ping and Pong.
    PingNotAnswered = "ping_not_answered",
    PongWithoutPayload = "pong_without_payload",
    PingEchoedAsPing = "ping_echoed_as_ping",
    PongEchoedAsText = "pong_echoed_as_text",

    // Rules that nobody watches over.
    UnmaskedAccepted = "unmasked_accepted",
    RsvAccepted = "rsv_accepted",
    /// Such a frame is passed over.
    ReservedOpcodesAccepted = "reserved_opcodes_accepted",
    /// It is answered.
    FragmentedPingAccepted = "fragmented_ping_accepted",
    /// It is answered, with a Pong just as long.
    LongPingAccepted = "long_ping_accepted",
    LengthNotMinimalAccepted = "length_not_minimal_accepted",
    /// Waits for 2^60 bytes, if so many are announced.
    LengthHasNoLimit = "length_has_no_limit",
    /// It is echoed as a text.
    StrayContinuationAccepted = "stray_continuation_accepted",
    /// What had come of the first is forgotten.
    NewMessageInsideMessageAccepted = "new_message_inside_message_accepted",
    /// On a broken rule TCP is closed, and no reason given.
    ClosesWithoutCloseFrame = "closes_without_close_frame",
    /// On a broken rule the close code is always 1000.
    BrokenRuleClosedWith1000 = "broken_rule_closed_with_1000",

    // UTF-8.
    InvalidUtf8Accepted = "invalid_utf8_accepted",
    /// `from_utf8_lossy`: wrong bytes come back as U+FFFD.
    InvalidUtf8Replaced = "invalid_utf8_replaced",
    /// And not with 1007.
    InvalidUtf8ClosedWith1002 = "invalid_utf8_closed_with_1002",
    /// A character cut in half is refused.
    Utf8CheckedPerFragment = "utf8_checked_per_fragment",
    /// Not before the last fragment is there.
    Utf8CheckedAtTheEnd = "utf8_checked_at_the_end",

    // Closing.
    /// TCP is closed instead.
    CloseNotAnswered = "close_not_answered",
    /// As if it had not come; TCP stays open too.
    CloseIgnored = "close_ignored",
    /// Whatever the code was.
    CloseAnsweredWith1000 = "close_answered_with_1000",
    /// Whatever the code was.
    CloseAnsweredEmpty = "close_answered_empty",
    /// 999 comes back.
    CloseCodeNotChecked = "close_code_not_checked",
    /// It need not be UTF-8.
    CloseReasonNotChecked = "close_reason_not_checked",
    /// Half a close code is taken for none.
    OneByteCloseAccepted = "one_byte_close_accepted",
    EchoesAfterClose = "echoes_after_close",
    /// The server waits for the client to close, which waits for the server.
    TcpLeftOpenAfterClose = "tcp_left_open_after_close",

    // TCP.
    /// What came in one piece with the request is thrown away.
    FrameGluedToRequestLost = "frame_glued_to_request_lost",
    /// What came in one piece with a frame is thrown away.
    GluedFramesLost = "glued_frames_lost",
    /// A header that does not come in one piece ends the connection.
    FramesInPiecesLost = "frames_in_pieces_lost",
    OneClientAtATime = "one_client_at_a_time",
    /// A client that goes inside a frame takes the server with it.
    LostClientEndsServer = "lost_client_ends_server",
    /// Accepts connections, and says nothing.
    NeverAnswers = "never_answers",
}
