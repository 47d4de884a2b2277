#include "cli/error_catalogue.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <array>

#include "report/printable.h"

namespace unclosed {
namespace {

constexpr size_t kTextWidth = 90;

constexpr std::array kCatalogue = {
    CatalogueEntry{"UC-E001", "the command line is not understood",
                   "an option or argument is unknown, missing, or has a value out of its range",
                   "read `unclosed COMMAND --help`", "nothing was started", ErrorKind::kUsage},
    CatalogueEntry{"UC-E002", "several processes match",
                   "the name or port belongs to several processes that are not one parent with its "
                   "children, so that it is not clear which is meant",
                   "give the pid, or all the pids that are meant", "nothing was attached",
                   ErrorKind::kUsage},
    CatalogueEntry{
        "UC-E003", "the process is not there",
        "no process has this pid or name now: it has ended, its pid was given to another "
        "process meanwhile, or it runs in another pid namespace (a container's own "
        "numbers are not the host's)",
        "look for it with `ps -ef` or `pgrep -a NAME`, on the host for a container",
        "`unclosed run -- CMD…` starts a process and sees all of its life", ErrorKind::kGone},
    CatalogueEntry{
        "UC-E004", "not permitted",
        "looking into another process needs root, or CAP_BPF, CAP_PERFMON, "
        "CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, and CAP_SYS_ADMIN for another network "
        "namespace; in a container it needs the host's pid namespace too",
        "run the same command with sudo, or give the program these capabilities once: "
        "`unclosed doctor` prints the command",
        "`unclosed ls` lists what may be read, with states, queues and ages; `unclosed attach` "
        "looks at your own processes, without lines of code",
        ErrorKind::kDenied},
    CatalogueEntry{"UC-E005", "the kernel has no type information",
                   "the programs are fitted to the running kernel by its BTF, and "
                   "/sys/kernel/btf/vmlinux is not there or cannot be read",
                   "run it on a kernel built with CONFIG_DEBUG_INFO_BTF, as those of the "
                   "distributions are; in a container, mount /sys",
                   "`unclosed ls` and `unclosed attach` still show counts, states and ages, "
                   "without lines of code",
                   ErrorKind::kUnsupported},
    CatalogueEntry{
        "UC-E006", "the kernel does not take the programs",
        "a hook, a kind of map or a helper that they need is missing, BPF is switched off, "
        "or tracefs cannot be mounted",
        "run it on Linux 5.10 or newer with CONFIG_BPF_SYSCALL and CONFIG_FTRACE_SYSCALLS; "
        "the message names what was refused",
        "`unclosed ls` and `unclosed attach` still show counts, states and ages, without lines of "
        "code",
        ErrorKind::kUnsupported},
    CatalogueEntry{"UC-E007", "the kernel side did not pass its self-test",
                   "the programs were loaded, but did not see what our own process did, so nothing "
                   "that they report could be trusted",
                   "report the kernel release and the message; another tracer that holds the same "
                   "hooks can be the cause",
                   "nothing was left in the kernel", ErrorKind::kUnsupported},
    CatalogueEntry{"UC-E008", "nobody has this port",
                   "no process listens on the port or has it as its local port, in any network "
                   "namespace that we may look into",
                   "look with `ss -ltnp`; `port:` means the local port of the target, not the port "
                   "of a server it talks to",
                   "attach by pid or name", ErrorKind::kGone},
    CatalogueEntry{"UC-E009", "unclosed does not watch itself",
                   "each look would make descriptors and events that are looked at in turn",
                   "give another target", "a second unclosed may watch the first",
                   ErrorKind::kUsage},
    CatalogueEntry{"UC-E010", "the output could not be written",
                   "standard output is closed or was closed by its reader, the disk is full, or "
                   "the file may not be written",
                   "write to another place with `-o FILE`",
                   "the target is undisturbed, and what was found is printed on standard error",
                   ErrorKind::kSystem},
    CatalogueEntry{"UC-E011", "the command could not be started",
                   "its file does not exist, is not executable, or is not for this machine",
                   "try the command without unclosed", "`unclosed attach` to a running process",
                   ErrorKind::kUsage},
    CatalogueEntry{"UC-E012", "a limit of this machine was met",
                   "memory, locked memory or descriptors that unclosed itself needs were refused, "
                   "or more than 4096 processes were to be looked at",
                   "raise the limit named in the message (`ulimit -l`, `ulimit -n`, the memory of "
                   "the container)",
                   "fewer targets at once need less", ErrorKind::kLimit},
    CatalogueEntry{
        "UC-E013", "a binary has no symbols",
        "it was stripped and no separate debug file was found, so that functions have no "
        "names",
        "install the debug package of the same build, or build without `-s` and `strip`",
        "counts, states and evidence are right; frames are shown as module+offset",
        ErrorKind::kUnsupported},
    CatalogueEntry{"UC-E014", "a file is damaged",
                   "a binary or its debug information holds values that contradict each other",
                   "build or install the file again",
                   "everything that does not need this file; its frames are shown as addresses",
                   ErrorKind::kCorrupt},
    CatalogueEntry{"UC-E015", "this is a thread of the kernel",
                   "it has no descriptors of its own that could leak",
                   "give a process with a program", "attach to its parent", ErrorKind::kUsage},
    CatalogueEntry{"UC-E016", "this architecture is not supported",
                   "stacks are walked on x86-64 only so far", "run it on x86-64",
                   "`unclosed explain` and `--help`", ErrorKind::kUnsupported},
    CatalogueEntry{"UC-E017", "a bug in unclosed", "something happened that should be impossible",
                   "report the message, the command and the version",
                   "the target is undisturbed; all hooks are gone with the program",
                   ErrorKind::kSystem},
    CatalogueEntry{"UC-E018", "the system refused a call",
                   "a call that should work gave an error that has no better explanation",
                   "read the system's words in the message", "run the command again",
                   ErrorKind::kSystem},
    CatalogueEntry{"UC-E019", "the command cannot be watched from its start",
                   "BPF is not allowed, and behind the command's seccomp filter the process that "
                   "answers its calls could not be started: the message names what stands in the "
                   "way of each; the command was not run",
                   "run it again, with more memory or processes (ulimit -u); or with sudo or the "
                   "capabilities that `unclosed doctor` names",
                   "start the service by hand, and `unclosed attach` to it", ErrorKind::kDenied},
    CatalogueEntry{
        "UC-E020", "this is no profile or dump of a Go service",
        "its content is neither goroutines as text (debug=2, debug=1, the output of a "
        "panic or of SIGQUIT) nor a goroutine, heap, allocs, goroutineleak, mutex or "
        "block profile; the message says what it looks like",
        "save one: curl -o goroutines.txt 'http://HOST:PORT/debug/pprof/goroutine?debug=2'",
        "`unclosed go http://HOST:PORT` takes them itself", ErrorKind::kUnsupported},
    CatalogueEntry{"UC-E021", "the service's profiles could not be fetched",
                   "nobody listens at this address, its name is not known, the answer took too "
                   "long, or TLS failed: the message says which",
                   "try the same address with curl; net/http/pprof often listens on a port of its "
                   "own, and on loopback of its container only",
                   "saved profiles are read without the service; `unclosed attach PID` needs no "
                   "profiles",
                   ErrorKind::kGone},
    CatalogueEntry{"UC-E022", "no profiles are served at this address",
                   "somebody answers, but not with /debug/pprof/: net/http/pprof is not imported, "
                   "its handlers are not in the router that answers here, or they lie under "
                   "another prefix",
                   "import _ \"net/http/pprof\" and serve http.DefaultServeMux on a port of its "
                   "own; give the prefix where there is one: http://HOST:PORT/PREFIX",
                   "`unclosed attach PID` needs no profiles", ErrorKind::kUnsupported},
    CatalogueEntry{"UC-E023", "the service does not let us have its profiles",
                   "the address wants a user and password, a token, or another network to come "
                   "from",
                   "give them in the address, http://USER:PASSWORD@HOST:PORT or ?token=…: they are "
                   "never shown; or ask from the service's own machine",
                   "saved profiles; `unclosed attach PID` needs no profiles", ErrorKind::kDenied},
    CatalogueEntry{"UC-E024", "a file that is to be explained cannot be read",
                   "no file has this name, it may not be read, or it is larger than such a file may "
                   "be",
                   "look at the name; give what a command prints by `… | unclosed explain -`; a "
                   "log's part that matters by `tail` or `grep`",
                   "`unclosed explain` with the other files", ErrorKind::kUsage},
    CatalogueEntry{
        "UC-E030", "the memory of a process may not be read",
        "reading it takes the same user and a process that may be traced (kernel.yama.ptrace_scope "
        "is 0, and the program was not started with changed privileges), or CAP_SYS_PTRACE; in a "
        "container also a seccomp profile that allows process_vm_readv",
        "run the same command with sudo, or give CAP_SYS_PTRACE: `unclosed doctor` prints the "
        "command; the process is neither stopped nor changed",
        "`unclosed go http://HOST:PORT` where the service offers net/http/pprof; `unclosed ls`",
        ErrorKind::kDenied},
    CatalogueEntry{
        "UC-E031", "no Go process that can be read",
        "goroutines are read of programs that Go 1.18 to 1.26 built for amd64; the message says "
        "what is missing, or which check of what was found did not hold: nothing is shown then "
        "rather than something wrong",
        "give the pid of the Go program itself, not of its shell or supervisor (`unclosed ls` "
        "shows runtimes); of a newer Go use a newer unclosed",
        "`unclosed go http://HOST:PORT` where the service offers net/http/pprof; `unclosed attach`",
        ErrorKind::kUnsupported},
};

// An error without an id of its own is explained by its kind.
std::string_view usual_id(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kGone:
      return "UC-E003";
    case ErrorKind::kDenied:
      return "UC-E004";
    case ErrorKind::kCorrupt:
      return "UC-E014";
    case ErrorKind::kUnsupported:
      return "UC-E006";
    case ErrorKind::kLimit:
      return "UC-E012";
    case ErrorKind::kUsage:
      return "UC-E001";
    case ErrorKind::kSystem:
      return "UC-E018";
  }
  return "UC-E018";
}

}  // namespace

std::span<const CatalogueEntry> error_catalogue() { return kCatalogue; }

const CatalogueEntry* find_in_catalogue(std::string_view id) {
  const auto* found =
      std::find_if(kCatalogue.begin(), kCatalogue.end(), [&](const CatalogueEntry& entry) {
        return entry.id.size() == id.size() &&
               ::strncasecmp(entry.id.data(), id.data(), id.size()) == 0;
      });
  return found == kCatalogue.end() ? nullptr : found;
}

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage:
      return 2;
    case ErrorKind::kGone:
      return 3;
    case ErrorKind::kDenied:
      return 4;
    case ErrorKind::kUnsupported:
    case ErrorKind::kCorrupt:
    case ErrorKind::kLimit:
    case ErrorKind::kSystem:
      return 5;
  }
  return 5;
}

std::string error_text(const Error& error) {
  const auto* entry = find_in_catalogue(error.id.empty() ? usual_id(error.kind) : error.id);
  // The first line is one line; a list of candidates may follow it.
  std::string text;
  std::string_view rest(error.context);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    text += printable(rest.substr(0, end)) + "\n";
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (entry == nullptr) return fmt::format("error {}: {}", error.id, text);
  if (text.empty()) text = std::string(entry->what) + "\n";
  text = fmt::format("error {}: {}", entry->id, text);
  const auto part = [&](std::string_view label, std::string_view words) {
    for (const auto& line : wrap(words, kTextWidth)) {
      text += fmt::format("  {:<4}{} {}\n", label, label.empty() ? " " : ":", line);
      label = "";
    }
  };
  part("why", entry->why);
  part("fix", entry->fix);
  part("now", entry->still_works);
  part("more", fmt::format("unclosed explain {}", entry->id));
  return text;
}

std::string catalogue_markdown() {
  std::string text =
      "# Errors\n\nEach error of `unclosed` has an id. `unclosed explain UC-E004` prints an entry "
      "of this list.\n";
  for (const auto& entry : kCatalogue) {
    text += fmt::format(
        "\n## {}: {}\n\n- **Why**: {}.\n- **What to do**: {}.\n- **What still works**: {}.\n"
        "- **Exit code**: {}.\n",
        entry.id, entry.what, entry.why, entry.fix, entry.still_works,
        entry.id == "UC-E017" ? 70 : exit_code(entry.kind));
  }
  return text;
}

}  // namespace unclosed
