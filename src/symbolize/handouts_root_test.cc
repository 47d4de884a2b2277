// Asks the DWARF of real builds for the layouts that the table of hand-out functions holds, with
// the oldest and the newest release of each range. Needs the go command, gdb and Go's module proxy;
// a release that it cannot fetch is skipped, aloud.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "symbolize/module_store.h"

namespace unclosed {
namespace {

struct Build {
  const char* go;
  const char* program;  // folder below testdata/handouts
  const char* library;  // as `go get` takes it; "" for the standard library
  std::vector<std::pair<const char*, const char*>>
      functions;  // and the field each path goes through
};

std::string shell(const std::string& command, int& status) {
  std::string text;
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return text;
  char part[4096];
  for (size_t got; (got = fread(part, 1, sizeof part, pipe)) > 0;) text.append(part, got);
  status = ::pclose(pipe);
  return text;
}

class Handouts : public testing::TestWithParam<Build> {
 protected:
  void SetUp() override {
    const Build& build = GetParam();
    x_folder = std::filesystem::temp_directory_path() /
               ("unclosed-handouts-" + std::to_string(::getpid()));
    std::filesystem::create_directories(x_folder);
    std::filesystem::copy_file(std::string(UNCLOSED_SOURCE_DIR) +
                                   "/src/symbolize/testdata/handouts/" + build.program + "/main.go",
                               x_folder / "main.go");
    std::ofstream(x_folder / "go.mod") << "module program\n\ngo 1.18\n";
    const std::string go = "cd " + x_folder.string() +
                           " && CGO_ENABLED=0 GODEBUG=goindex=0 GOFLAGS=-mod=mod GOTOOLCHAIN=go" + build.go + " go ";
    const std::string library = build.library;
    int status = 0;
    // Listing would choose the newest libraries.
    if (shell(go + (library.empty() ? "list ." : "version") + " 2>/dev/null", status); status != 0)
      GTEST_SKIP() << "go" << build.go << " cannot be fetched, or does not run here";
    if (!library.empty()) {
      shell(go + "get " + library + " 2>&1", status);
      if (status != 0) GTEST_SKIP() << library << " cannot be fetched";
    }
    const auto said = shell(go + "build -o program . 2>&1", status);
    ASSERT_EQ(status, 0) << said;
    const auto id = x_modules.open_file(x_folder / "program");
    ASSERT_TRUE(id) << id.error().context;
    x_id = *id;
    x_code = &x_modules.code(*id);
  }
  void TearDown() override { std::filesystem::remove_all(x_folder); }

  // The offset of a field, as "TYPE:field"; nullopt: the build has no such type.
  std::optional<int32_t> offset(const std::string& field) const {
    const size_t colon = field.rfind(':');
    int status = 0;
    const auto said = shell("gdb -nx -batch -ex 'set language c' -ex \"print/d (long)&(('" +
                                field.substr(0, colon) + "' *)0)->" + field.substr(colon + 1) +
                                "\" " + (x_folder / "program").string() + " 2>/dev/null",
                            status);
    const size_t at = said.find("= ");
    if (at == std::string::npos) return std::nullopt;
    return std::stoi(said.substr(at + 2));
  }

  // Whether the kernel emulates the instruction there: push %rbp, or a conditional branch.
  bool emulated(ElfAddr probe) {
    const auto code = x_modules.find(x_id)->elf.at_address(probe.value);
    if (!code || code->size() < 2) return false;
    const auto first = (*code)[0], second = (*code)[1];
    return first == std::byte{0x55} || first == std::byte{0x76} ||
           (first == std::byte{0x0f} && second == std::byte{0x86});
  }

  std::filesystem::path x_folder;
  ModuleStore x_modules;
  ModuleId x_id = 0;
  const ModuleCode* x_code = nullptr;
};

TEST_P(Handouts, the_functions_are_found_and_their_layouts_are_those_of_the_dwarf) {
  if (!offset("net.netFD:pfd")) GTEST_SKIP() << "this gdb does not read its DWARF";
  EXPECT_EQ(offset("net.netFD:pfd"), 0);
  EXPECT_EQ(offset("internal/poll.FD:Sysfd"), 16);
  EXPECT_EQ(offset("crypto/tls.Conn:conn"), 0);
  for (const auto& [name, fields] : GetParam().functions) {
    const auto found = std::find_if(x_code->handouts.begin(), x_code->handouts.end(),
                                    [&](const Handout& one) { return one.function == name; });
    ASSERT_TRUE(found != x_code->handouts.end() && found->probe) << name;
    EXPECT_EQ(found->refused, "") << name;
    EXPECT_FALSE(found->askers.empty()) << name;
    EXPECT_TRUE(emulated(*found->probe)) << name;
    std::istringstream all(fields);
    size_t step = 0;
    for (std::string field; all >> field; ++step) {
      // An interface's pointer is its second word.
      const bool interface = field.back() == '+';
      if (interface) field.pop_back();
      const auto at = offset(field);
      ASSERT_TRUE(at) << field;
      ASSERT_LT(step, found->paths[0].size());
      EXPECT_EQ(found->paths[0][step], *at + (interface ? 8 : 0)) << name << ' ' << field;
    }
  }
  if (const auto raw = offset("google.golang.org/grpc/internal/credentials.syscallConn:sysConn")) {
    EXPECT_EQ(*raw, 16);
  }
}

constexpr const char* kBody =
    "net/http.bodyEOFSignal:body+ net/http.body:src+ io.LimitedReader:R+ bufio.Reader:rd+ "
    "net/http.persistConn:conn+";

Build standard(const char* go, const char* round_trip) {
  return {go,
          "std",
          "",
          {{"net/http.(*persistConn).roundTrip", "net/http.persistConn:conn+"},
           {"net/http.(*bodyEOFSignal).Close", kBody},
           {round_trip, "net/http.http2ClientConn:tconn+"},
           {"net/http.http2transportResponseBody.Close",
            "net/http.http2clientStream:cc net/http.http2ClientConn:tconn+"}}};
}
Build x_net(const char* go, const char* library, const char* round_trip) {
  return {go,
          "xnet",
          library,
          {{round_trip, "golang.org/x/net/http2.ClientConn:tconn+"},
           {"golang.org/x/net/http2.transportResponseBody.Close",
            "golang.org/x/net/http2.clientStream:cc golang.org/x/net/http2.ClientConn:tconn+"}}};
}
Build grpc(const char* go, const char* library) {
  return {go,
          "grpc",
          library,
          {{"google.golang.org/grpc/internal/transport.(*http2Client).NewStream",
            "google.golang.org/grpc/internal/transport.http2Client:conn+"}}};
}

constexpr const char* kOldStd = "net/http.(*http2ClientConn).RoundTrip";
constexpr const char* kNewStd = "net/http.(*http2ClientConn).roundTrip";
constexpr const char* kOldX = "golang.org/x/net/http2.(*ClientConn).RoundTrip";
constexpr const char* kMidX = "golang.org/x/net/http2.(*ClientConn).roundTrip";
constexpr const char* kNewX = "golang.org/x/net/http2.(*ClientConn).internalRoundTrip";

INSTANTIATE_TEST_SUITE_P(Releases, Handouts,
                         testing::Values(standard("1.18.10", kOldStd), standard("1.19.13", kOldStd),
                                         standard("1.20.14", kOldStd), standard("1.21.13", kOldStd),
                                         standard("1.22.12", kOldStd), standard("1.23.12", kNewStd),
                                         standard("1.24.10", kNewStd), standard("1.25.5", kNewStd),
                                         standard("1.26.8", kNewStd),
                                         x_net("1.18.10", "golang.org/x/net@v0.1.0", kOldX),
                                         x_net("1.24.10", "golang.org/x/net@v0.33.0", kMidX),
                                         x_net("1.26.8", "golang.org/x/net@v0.62.0", kNewX),
                                         grpc("1.26.8", "google.golang.org/grpc@v1.30.0"),
                                         grpc("1.26.8", "google.golang.org/grpc@v1.34.0"),
                                         grpc("1.26.8", "google.golang.org/grpc@v1.35.0"),
                                         grpc("1.18.10", "google.golang.org/grpc@v1.51.0"),
                                         grpc("1.26.8", "google.golang.org/grpc@v1.52.0"),
                                         grpc("1.18.10", "google.golang.org/grpc@v1.57.0"),
                                         grpc("1.26.8", "google.golang.org/grpc@v1.58.0"),
                                         grpc("1.26.8", "google.golang.org/grpc@v1.85.0")),
                         [](const auto& build) {
                           std::string name =
                               std::string("go") + build.param.go + "_" + build.param.program;
                           const std::string library = build.param.library;
                           if (const size_t at = library.find('@'); at != std::string::npos)
                             name += library.substr(at + 1);
                           std::erase_if(
                               name, [](char one) { return one != '_' && std::isalnum(one) == 0; });
                           return name;
                         });

}  // namespace
}  // namespace unclosed
