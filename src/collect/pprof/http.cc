#include "collect/pprof/http.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

namespace unclosed {
namespace {

constexpr std::string_view kFolder = "/debug/pprof";
constexpr long kMostRedirects = 3;

template <auto free>
struct Free {
  template <class T>
  void operator()(T* pointer) const {
    free(pointer);
  }
};
using Url = std::unique_ptr<CURLU, Free<curl_url_cleanup>>;
using Easy = std::unique_ptr<CURL, Free<curl_easy_cleanup>>;
using Multi = std::unique_ptr<CURLM, Free<curl_multi_cleanup>>;

std::string part_of(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK || text == nullptr) return {};
  std::string copy(text);
  curl_free(text);
  return copy;
}

// A query without the parameters that are ours to choose.
std::string without_ours(std::string_view query) {
  std::string kept;
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const auto part = query.substr(0, end);
    if (!part.starts_with("debug=") && !part.starts_with("seconds=") && !part.starts_with("gc="))
      kept.append(kept.empty() ? "" : "&").append(part);
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return kept;
}

// One request and what came back.
struct Exchange {
  Easy easy;
  HttpAnswer answer;
  size_t most = 0;
  bool too_much = false;
  const std::atomic<int>* interrupt = nullptr;
};

size_t take_bytes(char* bytes, size_t, size_t count, void* to) {
  auto* exchange = static_cast<Exchange*>(to);
  if (count > exchange->most - exchange->answer.body.size()) {
    exchange->too_much = true;
    return 0;
  }
  exchange->answer.body.append(bytes, count);
  return count;
}

int give_up(void* from, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto* exchange = static_cast<Exchange*>(from);
  return exchange->interrupt != nullptr && exchange->interrupt->load() != 0 ? 1 : 0;
}

long milliseconds(Duration duration) {
  return static_cast<long>(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

void prepare(Exchange& exchange, const std::string& url, const HttpSettings& settings) {
  CURL* easy = exchange.easy.get();
  exchange.most = settings.most_bytes;
  exchange.interrupt = settings.interrupt;
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(easy, CURLOPT_MAXREDIRS, kMostRedirects);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(settings.connect_timeout));
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, milliseconds(settings.timeout));
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "unclosed");
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_bytes);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &exchange);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, give_up);
  curl_easy_setopt(easy, CURLOPT_XFERINFODATA, &exchange);
  // A proxy of the environment cannot reach this machine's own addresses.
  if (std::getenv("no_proxy") == nullptr && std::getenv("NO_PROXY") == nullptr)
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1");
}

Error failure(CURLcode code, const Exchange& exchange, const std::string& shown) {
  if (exchange.too_much)
    return {ErrorKind::kLimit,
            fmt::format("{}: an answer of more than {} MB", shown, exchange.most >> 20), "UC-E012"};
  if (code == CURLE_ABORTED_BY_CALLBACK)
    return {ErrorKind::kSystem, fmt::format("{}: interrupted", shown), "UC-E021"};
  return {ErrorKind::kGone, fmt::format("{}: {}", shown, curl_easy_strerror(code)), "UC-E021"};
}

// Runs all transfers to their end.
Status run(CURLM* multi) {
  int running = 1;
  while (running > 0) {
    if (curl_multi_perform(multi, &running) != CURLM_OK ||
        (running > 0 && curl_multi_poll(multi, nullptr, 0, 200, nullptr) != CURLM_OK))
      return Error{ErrorKind::kSystem, "the transfer could not be run", "UC-E018"};
  }
  return {};
}

}  // namespace

std::string PprofAddress::url(std::string_view name, std::string_view parameters) const {
  std::string text = folder + std::string(name);
  for (const std::string_view part : {std::string_view(query), parameters}) {
    if (part.empty()) continue;
    text += text.find('?') == std::string::npos ? '?' : '&';
    text += part;
  }
  return text;
}

bool is_address(std::string_view text) {
  if (text.find("://") != std::string_view::npos) return true;
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || text.find('/') != std::string_view::npos) return false;
  const std::string_view port = text.substr(colon + 1);
  return !port.empty() && port.size() <= 5 &&
         port.find_first_not_of("0123456789") == std::string_view::npos;
}

Result<PprofAddress> parse_address(const std::string& text) {
  std::string full = text;
  if (text.starts_with(':')) full = "localhost" + text;
  if (full.find("://") == std::string::npos) full = "http://" + full;
  const Url url(curl_url());
  const Error wrong{ErrorKind::kUsage,
                    "the address is not understood; give http://HOST:PORT as for curl", "UC-E001"};
  if (!url || curl_url_set(url.get(), CURLUPART_URL, full.c_str(), 0) != CURLUE_OK) return wrong;
  const std::string scheme = part_of(url.get(), CURLUPART_SCHEME),
                    host = part_of(url.get(), CURLUPART_HOST),
                    port = part_of(url.get(), CURLUPART_PORT);
  if ((scheme != "http" && scheme != "https") || host.empty()) return wrong;
  std::string path = part_of(url.get(), CURLUPART_PATH);
  PprofAddress address;
  address.query = part_of(url.get(), CURLUPART_QUERY);
  address.shown = fmt::format("{}://{}{}", scheme, host, port.empty() ? "" : ":" + port);
  if (const size_t at = path.find(kFolder); at != std::string::npos) {
    address.profile = path.substr(std::min(path.size(), at + kFolder.size()));
    path.resize(at);
    while (address.profile.starts_with('/')) address.profile.erase(0, 1);
    while (address.profile.ends_with('/')) address.profile.pop_back();
  }
  while (path.ends_with('/')) path.pop_back();
  address.shown += path;
  path.append(kFolder) += '/';
  if (!address.profile.empty()) address.shown += std::string(kFolder) + "/" + address.profile;
  address.query = without_ours(address.query);
  curl_url_set(url.get(), CURLUPART_PATH, path.c_str(), 0);
  curl_url_set(url.get(), CURLUPART_QUERY, nullptr, 0);
  curl_url_set(url.get(), CURLUPART_FRAGMENT, nullptr, 0);
  address.folder = part_of(url.get(), CURLUPART_URL);
  return address;
}

Result<std::vector<HttpAnswer>> http_get(const std::vector<std::string>& urls,
                                         const std::string& shown, const HttpSettings& settings) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  const Error no_room{ErrorKind::kLimit, "no memory for a transfer", "UC-E012"};
  std::vector<Exchange> exchanges(urls.size());
  const Multi multi(ready == CURLE_OK ? curl_multi_init() : nullptr);
  if (!multi) return no_room;
  for (size_t i = 0; i < urls.size(); ++i) {
    exchanges[i].easy.reset(curl_easy_init());
    if (!exchanges[i].easy) return no_room;
    prepare(exchanges[i], urls[i], settings);
    curl_multi_add_handle(multi.get(), exchanges[i].easy.get());
  }
  const Status done = run(multi.get());
  std::vector<CURLcode> codes(urls.size(), CURLE_OK);
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    for (size_t i = 0; i < urls.size(); ++i)
      if (exchanges[i].easy.get() == message->easy_handle) codes[i] = message->data.result;
  }
  std::vector<HttpAnswer> answers;
  std::optional<Error> error;
  for (size_t i = 0; i < urls.size(); ++i) {
    Exchange& one = exchanges[i];
    curl_easy_getinfo(one.easy.get(), CURLINFO_RESPONSE_CODE, &one.answer.status);
    curl_multi_remove_handle(multi.get(), one.easy.get());
    if (codes[i] != CURLE_OK && !error) error = failure(codes[i], one, shown);
    answers.push_back(std::move(one.answer));
  }
  if (!done) return done.error();
  if (error) return *error;
  return answers;
}

std::optional<Error> status_error(long status, const std::string& shown, std::string_view name) {
  if (status == 200) return std::nullopt;
  const std::string what = fmt::format("{}: {} answered {}", shown, name, status);
  if (status == 401 || status == 403 || status == 407)
    return Error{ErrorKind::kDenied, what, "UC-E023"};
  return Error{ErrorKind::kUnsupported, what, "UC-E022"};
}

}  // namespace unclosed
