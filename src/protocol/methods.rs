//! THE table: every method of the protocol, one row each.
//!
//! A client request's row has its wire name, parameters, result, stability, serialization scope and handler. Three
//! other modules expand the same rows: `rpc::dispatch` turns them into the name-to-handler map (a missing handler does
//! not compile), `protocol::schema` into the published schema, and the tests compare them with the public method list.
//! A row whose handler reads `unbuilt` answers an error that names the method; it is counted in the CI output.
//!
//! Scopes follow the public protocol's serialization rules: requests of one scope run first in, first out.

use crate::protocol::*;

/// How stable a method is: experimental ones need `capabilities.experimentalApi`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stability {
    /// Open to every client.
    Stable,
    /// Only for connections that asked for the experimental API.
    Experimental,
}

/// The process-wide scopes that are not bound to a thread, process or session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Global {
    /// config.toml, plugins, skills, hooks, features.
    Config,
    /// The signed-in account.
    AccountAuth,
    /// The set of MCP servers.
    McpRegistry,
    /// The memory store.
    Memory,
    /// Execution environments.
    Environment,
    /// Remote control.
    RemoteControl,
    /// Windows sandbox set-up.
    WindowsSandboxSetup,
    /// Device keys.
    DeviceKey,
}

/// Where a request queues. `rpc::lanes` turns this and the parameters into a lane key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// No queue: runs at once.
    None,
    /// Alone in a process-wide queue.
    Exclusive(Global),
    /// In a process-wide queue, beside neighbouring shared reads.
    SharedRead(Global),
    /// The queue of `threadId`, taken as the raw string.
    Thread,
    /// The queue of `threadId` when it is there, else none.
    ThreadIfPresent,
    /// The queue of `threadId`, or of `path` when `threadId` is empty.
    ThreadOrPath,
    /// The queue of `processId` on this connection.
    CommandProcess,
    /// The same, when `processId` is there, else none.
    CommandProcessIfPresent,
    /// The queue of `processHandle` on this connection.
    ProcessHandle,
    /// The queue of `sessionId`, for all connections.
    FuzzySession,
    /// The queue of `watchId` on this connection.
    FsWatch,
    /// The queue of the server `name`, for all connections.
    McpOauth,
}

/// A client request: its name on the wire and the types that go with it.
pub trait ClientMethod {
    /// The wire name.
    const NAME: &'static str;
    /// What the client sends.
    type Params: serde::de::DeserializeOwned + serde::Serialize + schemars::JsonSchema + Send + 'static;
    /// What the server answers.
    type Response: serde::de::DeserializeOwned + serde::Serialize + schemars::JsonSchema + Send + 'static;
}

/// A request from the server to a client.
pub trait ServerMethod {
    /// The wire name.
    const NAME: &'static str;
    /// What the server asks.
    type Params: serde::de::DeserializeOwned + serde::Serialize + schemars::JsonSchema + Send + 'static;
    /// What the client answers.
    type Response: serde::de::DeserializeOwned + serde::Serialize + schemars::JsonSchema + Send + 'static;
}

/// A notification from the server.
pub trait Notification: serde::Serialize {
    /// The wire name.
    const NAME: &'static str;
    /// Whether it needs the experimental API.
    const STABILITY: Stability;
}

/// Expands `$callback!` with every client request: `Marker: "wire" (Params) -> Response, Stability, Scope, handler;`.
#[macro_export]
macro_rules! client_methods {
    ($callback:ident) => {
        $callback! {
            Initialize: "initialize" (InitializeParams) -> InitializeResponse, Stable, None, initialize::initialize;
            ThreadStart: "thread/start" (ThreadStartParams) -> ThreadStartResponse, Stable, None, thread_start::start;
            ThreadResume: "thread/resume" (ThreadResumeParams) -> ThreadResumeResponse, Stable, ThreadOrPath, thread_resume::resume;
            ThreadFork: "thread/fork" (ThreadForkParams) -> ThreadForkResponse, Stable, ThreadOrPath, thread_fork::fork;
            ThreadArchive: "thread/archive" (ThreadArchiveParams) -> ThreadArchiveResponse, Stable, Thread, thread_archive::archive;
            ThreadUnsubscribe: "thread/unsubscribe" (ThreadUnsubscribeParams) -> ThreadUnsubscribeResponse, Stable, Thread, thread_settings::unsubscribe;
            ThreadIncrementElicitation: "thread/increment_elicitation" (ThreadIncrementElicitationParams) -> ThreadIncrementElicitationResponse, Experimental, Thread, thread_elicitation::increment;
            ThreadDecrementElicitation: "thread/decrement_elicitation" (ThreadDecrementElicitationParams) -> ThreadDecrementElicitationResponse, Experimental, Thread, thread_elicitation::decrement;
            ThreadNameSet: "thread/name/set" (ThreadSetNameParams) -> ThreadSetNameResponse, Stable, Thread, thread_settings::set_name;
            ThreadGoalSet: "thread/goal/set" (ThreadGoalSetParams) -> ThreadGoalSetResponse, Experimental, Thread, thread_goal::set;
            ThreadGoalGet: "thread/goal/get" (ThreadGoalGetParams) -> ThreadGoalGetResponse, Experimental, Thread, thread_goal::get;
            ThreadGoalClear: "thread/goal/clear" (ThreadGoalClearParams) -> ThreadGoalClearResponse, Experimental, Thread, thread_goal::clear;
            ThreadMetadataUpdate: "thread/metadata/update" (ThreadMetadataUpdateParams) -> ThreadMetadataUpdateResponse, Stable, Thread, thread_metadata::update;
            ThreadMemoryModeSet: "thread/memoryMode/set" (ThreadMemoryModeSetParams) -> ThreadMemoryModeSetResponse, Experimental, Thread, thread_metadata::set_memory_mode;
            MemoryReset: "memory/reset" (NoParams) -> MemoryResetResponse, Experimental, Exclusive(Global::Memory), unbuilt;
            ThreadUnarchive: "thread/unarchive" (ThreadUnarchiveParams) -> ThreadUnarchiveResponse, Stable, Thread, thread_archive::unarchive;
            ThreadCompactStart: "thread/compact/start" (ThreadCompactStartParams) -> ThreadCompactStartResponse, Stable, Thread, thread_compact::start;
            ThreadShellCommand: "thread/shellCommand" (ThreadShellCommandParams) -> ThreadShellCommandResponse, Stable, Thread, thread_shell::run;
            ThreadApproveGuardianDeniedAction: "thread/approveGuardianDeniedAction" (ThreadApproveGuardianDeniedActionParams) -> ThreadApproveGuardianDeniedActionResponse, Stable, Thread, thread_guardian::approve;
            ThreadBackgroundTerminalsClean: "thread/backgroundTerminals/clean" (ThreadBackgroundTerminalsCleanParams) -> ThreadBackgroundTerminalsCleanResponse, Experimental, Thread, thread_terminals::clean;
            ThreadRollback: "thread/rollback" (ThreadRollbackParams) -> ThreadRollbackResponse, Stable, Thread, thread_edit::roll_back;
            ThreadList: "thread/list" (ThreadListParams) -> ThreadListResponse, Stable, None, thread_list::list;
            ThreadLoadedList: "thread/loaded/list" (ThreadLoadedListParams) -> ThreadLoadedListResponse, Stable, None, thread_list::loaded_list;
            ThreadRead: "thread/read" (ThreadReadParams) -> ThreadReadResponse, Stable, Thread, thread_read::read;
            ThreadTurnsList: "thread/turns/list" (ThreadTurnsListParams) -> ThreadTurnsListResponse, Experimental, None, thread_turns::list;
            ThreadTurnsItemsList: "thread/turns/items/list" (ThreadTurnsItemsListParams) -> ThreadTurnsItemsListResponse, Experimental, None, thread_turns::list_items;
            ThreadInjectItems: "thread/inject_items" (ThreadInjectItemsParams) -> ThreadInjectItemsResponse, Stable, Thread, thread_edit::inject_items;
            SkillsList: "skills/list" (SkillsListParams) -> SkillsListResponse, Stable, SharedRead(Global::Config), skill::list;
            HooksList: "hooks/list" (HooksListParams) -> HooksListResponse, Stable, Exclusive(Global::Config), hook::list;
            MarketplaceAdd: "marketplace/add" (MarketplaceAddParams) -> MarketplaceAddResponse, Stable, Exclusive(Global::Config), unbuilt;
            MarketplaceRemove: "marketplace/remove" (MarketplaceRemoveParams) -> MarketplaceRemoveResponse, Stable, Exclusive(Global::Config), unbuilt;
            MarketplaceUpgrade: "marketplace/upgrade" (MarketplaceUpgradeParams) -> MarketplaceUpgradeResponse, Stable, Exclusive(Global::Config), unbuilt;
            PluginList: "plugin/list" (PluginListParams) -> PluginListResponse, Stable, SharedRead(Global::Config), unbuilt;
            PluginRead: "plugin/read" (PluginReadParams) -> PluginReadResponse, Stable, Exclusive(Global::Config), unbuilt;
            PluginSkillRead: "plugin/skill/read" (PluginSkillReadParams) -> PluginSkillReadResponse, Stable, Exclusive(Global::Config), unbuilt;
            PluginShareSave: "plugin/share/save" (PluginShareSaveParams) -> PluginShareSaveResponse, Stable, Exclusive(Global::Config), unbuilt;
            PluginShareUpdateTargets: "plugin/share/updateTargets" (PluginShareUpdateTargetsParams) -> PluginShareUpdateTargetsResponse, Stable, Exclusive(Global::Config), unbuilt;
            PluginShareList: "plugin/share/list" (PluginShareListParams) -> PluginShareListResponse, Stable, Exclusive(Global::Config), unbuilt;
            PluginShareCheckout: "plugin/share/checkout" (PluginShareCheckoutParams) -> PluginShareCheckoutResponse, Stable, Exclusive(Global::Config), unbuilt;
            PluginShareDelete: "plugin/share/delete" (PluginShareDeleteParams) -> PluginShareDeleteResponse, Stable, Exclusive(Global::Config), unbuilt;
            AppList: "app/list" (AppsListParams) -> AppsListResponse, Stable, None, unbuilt;
            FsReadFile: "fs/readFile" (FsReadFileParams) -> FsReadFileResponse, Stable, None, fs::read_file;
            FsWriteFile: "fs/writeFile" (FsWriteFileParams) -> FsWriteFileResponse, Stable, None, fs::write_file;
            FsCreateDirectory: "fs/createDirectory" (FsCreateDirectoryParams) -> FsCreateDirectoryResponse, Stable, None, fs::create_directory;
            FsGetMetadata: "fs/getMetadata" (FsGetMetadataParams) -> FsGetMetadataResponse, Stable, None, fs::get_metadata;
            FsReadDirectory: "fs/readDirectory" (FsReadDirectoryParams) -> FsReadDirectoryResponse, Stable, None, fs::read_directory;
            FsRemove: "fs/remove" (FsRemoveParams) -> FsRemoveResponse, Stable, None, fs::remove;
            FsCopy: "fs/copy" (FsCopyParams) -> FsCopyResponse, Stable, None, fs::copy;
            FsWatch: "fs/watch" (FsWatchParams) -> FsWatchResponse, Stable, FsWatch, fs::watch;
            FsUnwatch: "fs/unwatch" (FsUnwatchParams) -> FsUnwatchResponse, Stable, FsWatch, fs::unwatch;
            SkillsConfigWrite: "skills/config/write" (SkillsConfigWriteParams) -> SkillsConfigWriteResponse, Stable, Exclusive(Global::Config), skill::write_config;
            PluginInstall: "plugin/install" (PluginInstallParams) -> PluginInstallResponse, Stable, Exclusive(Global::Config), unbuilt;
            PluginUninstall: "plugin/uninstall" (PluginUninstallParams) -> PluginUninstallResponse, Stable, Exclusive(Global::Config), unbuilt;
            TurnStart: "turn/start" (TurnStartParams) -> TurnStartResponse, Stable, Thread, turn::start;
            TurnSteer: "turn/steer" (TurnSteerParams) -> TurnSteerResponse, Stable, Thread, turn::steer;
            TurnInterrupt: "turn/interrupt" (TurnInterruptParams) -> TurnInterruptResponse, Stable, Thread, turn::interrupt;
            ThreadRealtimeStart: "thread/realtime/start" (ThreadRealtimeStartParams) -> ThreadRealtimeStartResponse, Experimental, Thread, unbuilt;
            ThreadRealtimeAppendAudio: "thread/realtime/appendAudio" (ThreadRealtimeAppendAudioParams) -> ThreadRealtimeAppendAudioResponse, Experimental, Thread, unbuilt;
            ThreadRealtimeAppendText: "thread/realtime/appendText" (ThreadRealtimeAppendTextParams) -> ThreadRealtimeAppendTextResponse, Experimental, Thread, unbuilt;
            ThreadRealtimeStop: "thread/realtime/stop" (ThreadRealtimeStopParams) -> ThreadRealtimeStopResponse, Experimental, Thread, unbuilt;
            ThreadRealtimeListVoices: "thread/realtime/listVoices" (ThreadRealtimeListVoicesParams) -> ThreadRealtimeListVoicesResponse, Experimental, None, unbuilt;
            ReviewStart: "review/start" (ReviewStartParams) -> ReviewStartResponse, Stable, Thread, review::start;
            ModelList: "model/list" (ModelListParams) -> ModelListResponse, Stable, None, model::list;
            ModelProviderCapabilitiesRead: "modelProvider/capabilities/read" (ModelProviderCapabilitiesReadParams) -> ModelProviderCapabilitiesReadResponse, Stable, None, model_provider::capabilities;
            ExperimentalFeatureList: "experimentalFeature/list" (ExperimentalFeatureListParams) -> ExperimentalFeatureListResponse, Stable, Exclusive(Global::Config), feature::list;
            ExperimentalFeatureEnablementSet: "experimentalFeature/enablement/set" (ExperimentalFeatureEnablementSetParams) -> ExperimentalFeatureEnablementSetResponse, Stable, Exclusive(Global::Config), feature::set_enablement;
            RemoteControlEnable: "remoteControl/enable" (NoParams) -> RemoteControlEnableResponse, Experimental, Exclusive(Global::RemoteControl), unbuilt;
            RemoteControlDisable: "remoteControl/disable" (NoParams) -> RemoteControlDisableResponse, Experimental, Exclusive(Global::RemoteControl), unbuilt;
            RemoteControlStatusRead: "remoteControl/status/read" (NoParams) -> RemoteControlStatusReadResponse, Experimental, SharedRead(Global::RemoteControl), unbuilt;
            CollaborationModeList: "collaborationMode/list" (CollaborationModeListParams) -> CollaborationModeListResponse, Experimental, None, collaboration_mode::list;
            MockExperimentalMethod: "mock/experimentalMethod" (MockExperimentalMethodParams) -> MockExperimentalMethodResponse, Experimental, None, mock::experimental_method;
            EnvironmentAdd: "environment/add" (EnvironmentAddParams) -> EnvironmentAddResponse, Experimental, Exclusive(Global::Environment), unbuilt;
            McpServerOauthLogin: "mcpServer/oauth/login" (McpServerOauthLoginParams) -> McpServerOauthLoginResponse, Stable, McpOauth, unbuilt;
            ConfigMcpServerReload: "config/mcpServer/reload" (NoParams) -> McpServerRefreshResponse, Stable, Exclusive(Global::McpRegistry), unbuilt;
            McpServerStatusList: "mcpServerStatus/list" (ListMcpServerStatusParams) -> ListMcpServerStatusResponse, Stable, Exclusive(Global::McpRegistry), unbuilt;
            McpServerResourceRead: "mcpServer/resource/read" (McpResourceReadParams) -> McpResourceReadResponse, Stable, ThreadIfPresent, unbuilt;
            McpServerToolCall: "mcpServer/tool/call" (McpServerToolCallParams) -> McpServerToolCallResponse, Stable, Thread, unbuilt;
            WindowsSandboxSetupStart: "windowsSandbox/setupStart" (WindowsSandboxSetupStartParams) -> WindowsSandboxSetupStartResponse, Stable, Exclusive(Global::WindowsSandboxSetup), unbuilt;
            WindowsSandboxReadiness: "windowsSandbox/readiness" (NoParams) -> WindowsSandboxReadinessResponse, Stable, Exclusive(Global::Config), unbuilt;
            AccountLoginStart: "account/login/start" (LoginAccountParams) -> LoginAccountResponse, Stable, Exclusive(Global::AccountAuth), unbuilt;
            AccountLoginCancel: "account/login/cancel" (CancelLoginAccountParams) -> CancelLoginAccountResponse, Stable, Exclusive(Global::AccountAuth), unbuilt;
            AccountLogout: "account/logout" (NoParams) -> LogoutAccountResponse, Stable, Exclusive(Global::AccountAuth), unbuilt;
            AccountRateLimitsRead: "account/rateLimits/read" (NoParams) -> GetAccountRateLimitsResponse, Stable, None, unbuilt;
            AccountSendAddCreditsNudgeEmail: "account/sendAddCreditsNudgeEmail" (SendAddCreditsNudgeEmailParams) -> SendAddCreditsNudgeEmailResponse, Stable, Exclusive(Global::AccountAuth), unbuilt;
            FeedbackUpload: "feedback/upload" (FeedbackUploadParams) -> FeedbackUploadResponse, Stable, None, unbuilt;
            CommandExec: "command/exec" (CommandExecParams) -> CommandExecResponse, Stable, CommandProcessIfPresent, command_exec::exec;
            CommandExecWrite: "command/exec/write" (CommandExecWriteParams) -> CommandExecWriteResponse, Stable, CommandProcess, command_exec::write;
            CommandExecTerminate: "command/exec/terminate" (CommandExecTerminateParams) -> CommandExecTerminateResponse, Stable, CommandProcess, command_exec::terminate;
            CommandExecResize: "command/exec/resize" (CommandExecResizeParams) -> CommandExecResizeResponse, Stable, CommandProcess, command_exec::resize;
            ProcessSpawn: "process/spawn" (ProcessSpawnParams) -> ProcessSpawnResponse, Experimental, ProcessHandle, process::spawn;
            ProcessWriteStdin: "process/writeStdin" (ProcessWriteStdinParams) -> ProcessWriteStdinResponse, Experimental, ProcessHandle, process::write_stdin;
            ProcessKill: "process/kill" (ProcessKillParams) -> ProcessKillResponse, Experimental, ProcessHandle, process::kill;
            ProcessResizePty: "process/resizePty" (ProcessResizePtyParams) -> ProcessResizePtyResponse, Experimental, ProcessHandle, process::resize_pty;
            ConfigRead: "config/read" (ConfigReadParams) -> ConfigReadResponse, Stable, SharedRead(Global::Config), config::read;
            ExternalAgentConfigDetect: "externalAgentConfig/detect" (ExternalAgentConfigDetectParams) -> ExternalAgentConfigDetectResponse, Stable, Exclusive(Global::Config), unbuilt;
            ExternalAgentConfigImport: "externalAgentConfig/import" (ExternalAgentConfigImportParams) -> ExternalAgentConfigImportResponse, Stable, Exclusive(Global::Config), unbuilt;
            ConfigValueWrite: "config/value/write" (ConfigValueWriteParams) -> ConfigWriteResponse, Stable, Exclusive(Global::Config), config::write_value;
            ConfigBatchWrite: "config/batchWrite" (ConfigBatchWriteParams) -> ConfigWriteResponse, Stable, Exclusive(Global::Config), config::write_batch;
            ConfigRequirementsRead: "configRequirements/read" (NoParams) -> ConfigRequirementsReadResponse, Stable, Exclusive(Global::Config), config::read_requirements;
            AccountRead: "account/read" (GetAccountParams) -> GetAccountResponse, Stable, Exclusive(Global::AccountAuth), account::read;
            FuzzyFileSearch: "fuzzyFileSearch" (FuzzyFileSearchParams) -> FuzzyFileSearchResponse, Stable, None, fuzzy_file_search::search;
            FuzzyFileSearchSessionStart: "fuzzyFileSearch/sessionStart" (FuzzyFileSearchSessionStartParams) -> FuzzyFileSearchSessionStartResponse, Experimental, FuzzySession, fuzzy_file_search::start_session;
            FuzzyFileSearchSessionUpdate: "fuzzyFileSearch/sessionUpdate" (FuzzyFileSearchSessionUpdateParams) -> FuzzyFileSearchSessionUpdateResponse, Experimental, FuzzySession, fuzzy_file_search::update_session;
            FuzzyFileSearchSessionStop: "fuzzyFileSearch/sessionStop" (FuzzyFileSearchSessionStopParams) -> FuzzyFileSearchSessionStopResponse, Experimental, FuzzySession, fuzzy_file_search::stop_session;
            DeviceKeyCreate: "device/key/create" (DeviceKeyCreateParams) -> DeviceKeyCreateResponse, Experimental, Exclusive(Global::DeviceKey), unbuilt;
            DeviceKeyPublic: "device/key/public" (DeviceKeyPublicParams) -> DeviceKeyPublicResponse, Experimental, Exclusive(Global::DeviceKey), unbuilt;
            DeviceKeySign: "device/key/sign" (DeviceKeySignParams) -> DeviceKeySignResponse, Experimental, Exclusive(Global::DeviceKey), unbuilt;
        }
    };
}

/// Expands `$callback!` with every server request: `Marker: "wire" (Params) -> Response;`.
#[macro_export]
macro_rules! server_methods {
    ($callback:ident) => {
        $callback! {
            ItemCommandExecutionRequestApproval: "item/commandExecution/requestApproval" (CommandExecutionRequestApprovalParams) -> CommandExecutionRequestApprovalResponse;
            ItemFileChangeRequestApproval: "item/fileChange/requestApproval" (FileChangeRequestApprovalParams) -> FileChangeRequestApprovalResponse;
            ItemToolRequestUserInput: "item/tool/requestUserInput" (ToolRequestUserInputParams) -> ToolRequestUserInputResponse;
            McpServerElicitationRequest: "mcpServer/elicitation/request" (McpServerElicitationRequestParams) -> McpServerElicitationRequestResponse;
            ItemPermissionsRequestApproval: "item/permissions/requestApproval" (PermissionsRequestApprovalParams) -> PermissionsRequestApprovalResponse;
            ItemToolCall: "item/tool/call" (DynamicToolCallParams) -> DynamicToolCallResponse;
            AccountChatgptAuthTokensRefresh: "account/chatgptAuthTokens/refresh" (ChatgptAuthTokensRefreshParams) -> ChatgptAuthTokensRefreshResponse;
            AttestationGenerate: "attestation/generate" (AttestationGenerateParams) -> AttestationGenerateResponse;
            ApplyPatchApproval: "applyPatchApproval" (ApplyPatchApprovalParams) -> ApplyPatchApprovalResponse;
            ExecCommandApproval: "execCommandApproval" (ExecCommandApprovalParams) -> ExecCommandApprovalResponse;
        }
    };
}

/// Expands `$callback!` with every server notification: `Marker: "wire" (Payload), Stability;`.
#[macro_export]
macro_rules! server_notifications {
    ($callback:ident) => {
        $callback! {
            Error: "error" (ErrorNotification), Stable;
            ThreadStarted: "thread/started" (ThreadStartedNotification), Stable;
            ThreadStatusChanged: "thread/status/changed" (ThreadStatusChangedNotification), Stable;
            ThreadArchived: "thread/archived" (ThreadArchivedNotification), Stable;
            ThreadUnarchived: "thread/unarchived" (ThreadUnarchivedNotification), Stable;
            ThreadClosed: "thread/closed" (ThreadClosedNotification), Stable;
            SkillsChanged: "skills/changed" (SkillsChangedNotification), Stable;
            ThreadNameUpdated: "thread/name/updated" (ThreadNameUpdatedNotification), Stable;
            ThreadGoalUpdated: "thread/goal/updated" (ThreadGoalUpdatedNotification), Stable;
            ThreadGoalCleared: "thread/goal/cleared" (ThreadGoalClearedNotification), Stable;
            ThreadTokenUsageUpdated: "thread/tokenUsage/updated" (ThreadTokenUsageUpdatedNotification), Stable;
            TurnStarted: "turn/started" (TurnStartedNotification), Stable;
            HookStarted: "hook/started" (HookStartedNotification), Stable;
            TurnCompleted: "turn/completed" (TurnCompletedNotification), Stable;
            HookCompleted: "hook/completed" (HookCompletedNotification), Stable;
            TurnDiffUpdated: "turn/diff/updated" (TurnDiffUpdatedNotification), Stable;
            TurnPlanUpdated: "turn/plan/updated" (TurnPlanUpdatedNotification), Stable;
            ItemStarted: "item/started" (ItemStartedNotification), Stable;
            ItemAutoApprovalReviewStarted: "item/autoApprovalReview/started" (ItemGuardianApprovalReviewStartedNotification), Stable;
            ItemAutoApprovalReviewCompleted: "item/autoApprovalReview/completed" (ItemGuardianApprovalReviewCompletedNotification), Stable;
            ItemCompleted: "item/completed" (ItemCompletedNotification), Stable;
            ItemAgentMessageDelta: "item/agentMessage/delta" (AgentMessageDeltaNotification), Stable;
            ItemPlanDelta: "item/plan/delta" (PlanDeltaNotification), Stable;
            CommandExecOutputDelta: "command/exec/outputDelta" (CommandExecOutputDeltaNotification), Stable;
            ProcessOutputDelta: "process/outputDelta" (ProcessOutputDeltaNotification), Stable;
            ProcessExited: "process/exited" (ProcessExitedNotification), Stable;
            ItemCommandExecutionOutputDelta: "item/commandExecution/outputDelta" (CommandExecutionOutputDeltaNotification), Stable;
            ItemCommandExecutionTerminalInteraction: "item/commandExecution/terminalInteraction" (TerminalInteractionNotification), Stable;
            ItemFileChangeOutputDelta: "item/fileChange/outputDelta" (FileChangeOutputDeltaNotification), Stable;
            ItemFileChangePatchUpdated: "item/fileChange/patchUpdated" (FileChangePatchUpdatedNotification), Stable;
            ServerRequestResolved: "serverRequest/resolved" (ServerRequestResolvedNotification), Stable;
            ItemMcpToolCallProgress: "item/mcpToolCall/progress" (McpToolCallProgressNotification), Stable;
            McpServerOauthLoginCompleted: "mcpServer/oauthLogin/completed" (McpServerOauthLoginCompletedNotification), Stable;
            McpServerStartupStatusUpdated: "mcpServer/startupStatus/updated" (McpServerStatusUpdatedNotification), Stable;
            AccountUpdated: "account/updated" (AccountUpdatedNotification), Stable;
            AccountRateLimitsUpdated: "account/rateLimits/updated" (AccountRateLimitsUpdatedNotification), Stable;
            AppListUpdated: "app/list/updated" (AppListUpdatedNotification), Stable;
            RemoteControlStatusChanged: "remoteControl/status/changed" (RemoteControlStatusChangedNotification), Stable;
            ExternalAgentConfigImportCompleted: "externalAgentConfig/import/completed" (ExternalAgentConfigImportCompletedNotification), Stable;
            FsChanged: "fs/changed" (FsChangedNotification), Stable;
            ItemReasoningSummaryTextDelta: "item/reasoning/summaryTextDelta" (ReasoningSummaryTextDeltaNotification), Stable;
            ItemReasoningSummaryPartAdded: "item/reasoning/summaryPartAdded" (ReasoningSummaryPartAddedNotification), Stable;
            ItemReasoningTextDelta: "item/reasoning/textDelta" (ReasoningTextDeltaNotification), Stable;
            ThreadCompacted: "thread/compacted" (ContextCompactedNotification), Stable;
            ModelRerouted: "model/rerouted" (ModelReroutedNotification), Stable;
            ModelVerification: "model/verification" (ModelVerificationNotification), Stable;
            Warning: "warning" (WarningNotification), Stable;
            GuardianWarning: "guardianWarning" (GuardianWarningNotification), Stable;
            DeprecationNotice: "deprecationNotice" (DeprecationNoticeNotification), Stable;
            ConfigWarning: "configWarning" (ConfigWarningNotification), Stable;
            FuzzyFileSearchSessionUpdated: "fuzzyFileSearch/sessionUpdated" (FuzzyFileSearchSessionUpdatedNotification), Stable;
            FuzzyFileSearchSessionCompleted: "fuzzyFileSearch/sessionCompleted" (FuzzyFileSearchSessionCompletedNotification), Stable;
            ThreadRealtimeStarted: "thread/realtime/started" (ThreadRealtimeStartedNotification), Experimental;
            ThreadRealtimeItemAdded: "thread/realtime/itemAdded" (ThreadRealtimeItemAddedNotification), Experimental;
            ThreadRealtimeTranscriptDelta: "thread/realtime/transcript/delta" (ThreadRealtimeTranscriptDeltaNotification), Experimental;
            ThreadRealtimeTranscriptDone: "thread/realtime/transcript/done" (ThreadRealtimeTranscriptDoneNotification), Experimental;
            ThreadRealtimeOutputAudioDelta: "thread/realtime/outputAudio/delta" (ThreadRealtimeOutputAudioDeltaNotification), Experimental;
            ThreadRealtimeSdp: "thread/realtime/sdp" (ThreadRealtimeSdpNotification), Experimental;
            ThreadRealtimeError: "thread/realtime/error" (ThreadRealtimeErrorNotification), Experimental;
            ThreadRealtimeClosed: "thread/realtime/closed" (ThreadRealtimeClosedNotification), Experimental;
            WindowsWorldWritableWarning: "windows/worldWritableWarning" (WindowsWorldWritableWarningNotification), Stable;
            WindowsSandboxSetupCompleted: "windowsSandbox/setupCompleted" (WindowsSandboxSetupCompletedNotification), Stable;
            AccountLoginCompleted: "account/login/completed" (AccountLoginCompletedNotification), Stable;
            RawResponseItemCompleted: "rawResponseItem/completed" (RawResponseItemCompletedNotification), Experimental;
        }
    };
}

/// Marker types of the client requests.
pub mod client {
    use super::*;
    macro_rules! markers {
        ($($marker:ident: $wire:literal ($params:ty) -> $response:ty, $stability:ident, $scope:ident $(($global:expr))?, $($handler:ident)::+;)+) => {
            $(
                #[doc = concat!("`", $wire, "`")]
                #[derive(Debug, Clone, Copy)]
                pub struct $marker;
                impl ClientMethod for $marker {
                    const NAME: &'static str = $wire;
                    type Params = $params;
                    type Response = $response;
                }
            )+

            /// Name, stability and scope of every client request, in the order of the published list.
            pub const METHODS: &[(&str, Stability, Scope)] = &[$(($wire, Stability::$stability, Scope::$scope $(($global))?)),+];
        };
    }
    client_methods!(markers);
}

/// Marker types of the server requests.
pub mod server {
    use super::*;
    macro_rules! markers {
        ($($marker:ident: $wire:literal ($params:ty) -> $response:ty;)+) => {
            $(
                #[doc = concat!("`", $wire, "`")]
                #[derive(Debug, Clone, Copy)]
                pub struct $marker;
                impl ServerMethod for $marker {
                    const NAME: &'static str = $wire;
                    type Params = $params;
                    type Response = $response;
                }
            )+

            /// Name of every server request.
            pub const METHODS: &[&str] = &[$($wire),+];
        };
    }
    server_methods!(markers);
}

/// Names the payloads of notifications.
mod notifications {
    use super::*;
    macro_rules! names {
        ($($marker:ident: $wire:literal ($payload:ty), $stability:ident;)+) => {
            $(
                impl Notification for $payload {
                    const NAME: &'static str = $wire;
                    const STABILITY: Stability = Stability::$stability;
                }
            )+

            /// Name and stability of every notification.
            pub const NOTIFICATIONS: &[(&str, Stability)] = &[$(($wire, Stability::$stability)),+];
        };
    }
    server_notifications!(names);
}
pub use notifications::NOTIFICATIONS;
