#include "collect/golang/http_requests.h"

#include <algorithm>
#include <array>

#include "collect/golang/descriptor_finder.h"
#include "collect/golang/frame_words.h"

namespace unclosed {
namespace {

constexpr std::string_view kServe = "net/http.(*conn).serve";
constexpr std::string_view kReadLoop = "net/http.(*persistConn).readLoop";
constexpr uint64_t kLongestMethod = 32, kLongestPath = 2048;

struct GoString {
  uint64_t data = 0, size = 0;
};

class Requests {
 public:
  explicit Requests(GoProcess& process)
      : x_process(process), x_layout(process.layout()), x_connections(process) {}

  // The request that the connection at `address` serves; nullopt: none, or no connection is there.
  std::optional<HttpRequest> served(uint64_t address);
  // The request whose header the connection at `address` awaits; likewise.
  std::optional<HttpRequest> awaited(uint64_t address);

 private:
  uint64_t word_at(uint64_t address) {
    const auto word = address < 4096 ? Result<std::optional<uint64_t>>(std::nullopt)
                                     : x_process.memory().load<uint64_t>(address);
    return word ? word->value_or(0) : 0;
  }
  std::optional<std::string> text_at(uint64_t address, uint64_t longest);
  std::optional<HttpRequest> request_at(uint64_t address);

  GoProcess& x_process;
  const GoRuntimeLayout& x_layout;
  DescriptorFinder x_connections;
};

std::optional<std::string> Requests::text_at(uint64_t address, uint64_t longest) {
  const auto header = x_process.memory().load<GoString>(address);
  if (!header || !*header || (*header)->size > kLongestPath * 64) return std::nullopt;
  auto text = x_process.memory().text((*header)->data, (*header)->size, longest);
  if (!text || !*text) return std::nullopt;
  return std::move(**text);
}

std::optional<HttpRequest> Requests::request_at(uint64_t address) {
  if (address < 4096) return std::nullopt;
  auto method = text_at(address + x_layout.request_method, kLongestMethod);
  const uint64_t url = word_at(address + x_layout.request_url);
  auto path = url != 0 ? text_at(url + x_layout.url_path, kLongestPath) : std::nullopt;
  const auto letter = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (!method || !path || !std::all_of(method->begin(), method->end(), letter)) return std::nullopt;
  HttpRequest request;
  request.method = method->empty() ? "GET" : std::move(*method);  // as a client may leave it
  request.path = path->empty() ? "/" : std::move(*path);
  return request;
}

std::optional<HttpRequest> Requests::served(uint64_t address) {
  const uint32_t at = x_layout.server_response_boxed != 0 ? x_layout.server_response_boxed
                                                          : x_layout.server_response;
  const uint64_t response = word_at(address + at);
  // They name each other.
  if (response == 0 || word_at(response + x_layout.response_server) != address) return std::nullopt;
  auto request = request_at(word_at(response + x_layout.response_request));
  const auto fd =
      request ? x_connections.behind(address + x_layout.server_connection) : std::nullopt;
  if (!fd) return std::nullopt;
  request->role = HttpRequest::Role::kServing;
  request->fd = *fd;
  return request;
}

std::optional<HttpRequest> Requests::awaited(uint64_t address) {
  const uint64_t channel = word_at(address + x_layout.client_requests);
  if (channel == 0 || word_at(channel + x_layout.channel_count) != 1 ||
      (word_at(channel + x_layout.channel_element_size) & UINT16_MAX) != x_layout.pending_size)
    return std::nullopt;
  uint64_t pending = word_at(word_at(channel + x_layout.channel_buffer));
  // From Go 1.23 on within the transport's own request, as its first field.
  if (x_layout.minor >= 23) pending = word_at(pending);
  auto request = request_at(pending);
  const auto fd =
      request ? x_connections.behind(address + x_layout.client_connection) : std::nullopt;
  if (!fd) return std::nullopt;
  request->role = HttpRequest::Role::kAwaiting;
  request->fd = *fd;
  return request;
}

}  // namespace

Result<std::vector<HttpRequest>> http_requests(GoProcess& process, const GoroutineList& list) {
  Requests requests(process);
  std::vector<HttpRequest> found;
  const auto look = [&](std::string_view function, auto read) -> Status {
    const auto frames = frames_of(process, list, function);
    if (!frames) return frames.error();
    for (const FrameWords& frame : *frames) {
      for (const uint64_t word : frame.words) {
        auto request = (requests.*read)(word);
        if (!request) continue;
        request->goroutine = frame.goroutine->id;
        found.push_back(std::move(*request));
        break;
      }
    }
    return {};
  };
  auto looked = look(kServe, &Requests::served);
  if (looked) looked = look(kReadLoop, &Requests::awaited);
  if (!looked) return looked.error();
  std::sort(found.begin(), found.end(),
            [](const HttpRequest& a, const HttpRequest& b) { return a.fd < b.fd; });
  return found;
}

}  // namespace unclosed
