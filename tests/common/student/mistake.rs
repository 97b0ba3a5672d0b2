//! The mistakes, in the order in which a connection meets them.

/// Defines the `enum`, the list of all mistakes, and their names.
macro_rules! mistakes {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal,)*) => {
        /// One thing that a student's server does wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Mistake {
            $($(#[doc = $doc])* $variant,)*
        }

        impl Mistake {
            pub const ALL: &[Mistake] = &[$(Mistake::$variant,)*];

            /// The name in snake case, for a file name.
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
    /// The hex digits of the SHA-1, without base64.
    AcceptIsHex = "accept_is_hex",
    /// `-` and `_` instead of `+` and `/`.
    AcceptIsUrlSafe = "accept_is_url_safe",
    /// Without `=` at the end.
    AcceptWithoutPadding = "accept_without_padding",
    /// The header is missing.
    AcceptMissing = "accept_missing",
    /// Hashes the 16 bytes of the key, instead of its text.
    KeyDecodedFirst = "key_decoded_first",
    /// Hashes the key together with its line end.
    KeyNotTrimmed = "key_not_trimmed",
    /// Sends the key itself back.
    KeyEchoed = "key_echoed",
    /// Hashes the key alone.
    GuidForgotten = "guid_forgotten",
    GuidInLowerCase = "guid_in_lower_case",
    GuidBeforeKey = "guid_before_key",

    // The opening handshake: the rest of the answer.
    StatusIs200 = "status_is_200",
    UpgradeMissingInAnswer = "upgrade_missing_in_answer",
    ConnectionMissingInAnswer = "connection_missing_in_answer",
    /// LF instead of CR LF.
    LinesEndWithLf = "lines_end_with_lf",
    /// The response does not end, so the browser waits for more headers.
    BlankLineMissing = "blank_line_missing",
    /// Accepts each extension that is offered, and uses none.
    ExtensionEchoed = "extension_echoed",
    /// Chooses `chat`, even if the client did not offer it.
    SubprotocolNotOffered = "subprotocol_not_offered",
    /// Refuses other versions, but does not send Sec-WebSocket-Version with the right one.
    VersionNotTold = "version_not_told",

    // The opening handshake: what the request must have.
    /// Does not find `sec-websocket-key`.
    HeaderNamesComparedCaseSensitively = "header_names_compared_case_sensitively",
    /// Refuses `Upgrade: WebSocket`.
    UpgradeComparedCaseSensitively = "upgrade_compared_case_sensitively",
    /// Refuses `Connection: keep-alive, Upgrade`, which Firefox sends.
    ConnectionListRefused = "connection_list_refused",
    ConnectionNotRequired = "connection_not_required",
    UpgradeNotRequired = "upgrade_not_required",
    HostNotRequired = "host_not_required",
    /// Answers a request without a key as if the key were empty.
    KeyNotRequired = "key_not_required",
    /// Accepts a key of any length.
    KeyNotChecked = "key_not_checked",
    /// Accepts a request without a version, too.
    AnyVersionAccepted = "any_version_accepted",
    /// Accepts any method.
    PostAccepted = "post_accepted",
    Http10Accepted = "http_1_0_accepted",

    // What the server echoes.
    /// Answers each message with `HTTP/1.1 200 OK` and the message as the body.
    HttpAfter101 = "http_after_101",
    /// Sends a text message before the client has sent one.
    GreetsFirst = "greets_first",
    /// Masks all frames that it sends.
    FramesMasked = "frames_masked",
    /// Sends the payload back as it crossed the wire.
    PayloadNotUnmasked = "payload_not_unmasked",
    /// Uses the key of the first frame for all frames.
    MaskingKeyReadOnce = "masking_key_read_once",
    /// The index into the key runs on from frame to frame, though it must start at 0 in each.
    MaskIndexRunsOn = "mask_index_runs_on",
    /// The same, but only between the fragments of a message.
    MaskIndexRunsOnInMessage = "mask_index_runs_on_in_message",
    BinaryEchoedAsText = "binary_echoed_as_text",
    TextEchoedAsBinary = "text_echoed_as_binary",
    EmptyMessagesDropped = "empty_messages_dropped",
    /// Adds a newline to each text.
    NewlineAdded = "newline_added",
    /// Closes TCP after the first echo, because the student forgot the loop.
    OneMessageOnly = "one_message_only",

    // Lengths.
    /// Reading: takes 126 and 127 as lengths, and reads no bytes of length after them.
    LengthMarkerTakenAsLength = "length_marker_taken_as_length",
    /// Writing: the lowest 7 bits of the length, and no bytes of length after them.
    LengthWrittenIn7Bits = "length_written_in_7_bits",
    /// Writing: the number of characters of a text, and not of its bytes.
    LengthCountsCharacters = "length_counts_characters",
    /// Reading: low byte first.
    Length16ReadSwapped = "length_16_read_swapped",
    /// Writing: low byte first.
    Length16WrittenSwapped = "length_16_written_swapped",
    /// Writing: 126 to 65535 in 8 bytes, though 2 are enough.
    Length16WrittenAs64 = "length_16_written_as_64",
    /// Writing: 65536 as 0, in 2 bytes.
    LengthCutTo16Bits = "length_cut_to_16_bits",
    /// Reading: 4 bytes instead of 8.
    Length64ReadAs32 = "length_64_read_as_32",
    /// Writing: 4 bytes instead of 8.
    Length64WrittenIn4Bytes = "length_64_written_in_4_bytes",

    // Fragments.
    /// Echoes each fragment as a message of its own.
    FragmentsEchoedOneByOne = "fragments_echoed_one_by_one",
    /// Echoes only the first fragment.
    ContinuationsIgnored = "continuations_ignored",
    PingInsideMessageRefused = "ping_inside_message_refused",

    // Ping and Pong.
    PingNotAnswered = "ping_not_answered",
    PongWithoutPayload = "pong_without_payload",
    PingEchoedAsPing = "ping_echoed_as_ping",
    PongEchoedAsText = "pong_echoed_as_text",

    // Rules that the server does not check.
    UnmaskedAccepted = "unmasked_accepted",
    RsvAccepted = "rsv_accepted",
    /// Ignores such a frame.
    ReservedOpcodesAccepted = "reserved_opcodes_accepted",
    /// Answers it.
    FragmentedPingAccepted = "fragmented_ping_accepted",
    /// Answers it with a Pong of the same length.
    LongPingAccepted = "long_ping_accepted",
    LengthNotMinimalAccepted = "length_not_minimal_accepted",
    /// Waits for 2^60 bytes if a header announces them.
    LengthHasNoLimit = "length_has_no_limit",
    /// Echoes it as a text.
    StrayContinuationAccepted = "stray_continuation_accepted",
    /// Forgets the first message.
    NewMessageInsideMessageAccepted = "new_message_inside_message_accepted",
    /// Closes TCP without a Close frame when the client breaks a rule.
    ClosesWithoutCloseFrame = "closes_without_close_frame",
    /// Closes with code 1000 when the client breaks a rule.
    BrokenRuleClosedWith1000 = "broken_rule_closed_with_1000",

    // UTF-8.
    InvalidUtf8Accepted = "invalid_utf8_accepted",
    /// Sends wrong bytes back as U+FFFD, as `from_utf8_lossy` does.
    InvalidUtf8Replaced = "invalid_utf8_replaced",
    /// Closes with code 1002 instead of 1007.
    InvalidUtf8ClosedWith1002 = "invalid_utf8_closed_with_1002",
    /// Refuses a fragment that ends inside a character.
    Utf8CheckedPerFragment = "utf8_checked_per_fragment",
    /// Does not check before the last fragment is there.
    Utf8CheckedAtTheEnd = "utf8_checked_at_the_end",

    // Closing.
    /// Closes TCP instead.
    CloseNotAnswered = "close_not_answered",
    /// Ignores a Close, and leaves TCP open.
    CloseIgnored = "close_ignored",
    /// Answers each Close with code 1000.
    CloseAnsweredWith1000 = "close_answered_with_1000",
    /// Answers each Close without a code.
    CloseAnsweredEmpty = "close_answered_empty",
    /// Sends 999 back.
    CloseCodeNotChecked = "close_code_not_checked",
    /// Accepts a reason that is not UTF-8.
    CloseReasonNotChecked = "close_reason_not_checked",
    /// Treats half a close code as none.
    OneByteCloseAccepted = "one_byte_close_accepted",
    EchoesAfterClose = "echoes_after_close",
    /// Waits for the client to close, while the client waits for the server.
    TcpLeftOpenAfterClose = "tcp_left_open_after_close",

    // TCP.
    /// Drops the bytes that came in one piece with the request. The check does not look for this mistake, because a
    /// client must wait for the response before it sends a frame (RFC 6455 section 4.1).
    FrameGluedToRequestLost = "frame_glued_to_request_lost",
    /// Drops the bytes that came in one piece with a frame.
    GluedFramesLost = "glued_frames_lost",
    /// Ends the connection if a header does not come in one piece.
    FramesInPiecesLost = "frames_in_pieces_lost",
    OneClientAtATime = "one_client_at_a_time",
    /// Ends the server when a client leaves inside a frame.
    LostClientEndsServer = "lost_client_ends_server",
    /// Accepts connections, and sends nothing.
    NeverAnswers = "never_answers",
}
