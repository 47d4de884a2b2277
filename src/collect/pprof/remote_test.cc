#include "collect/pprof/remote.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "base/fd.h"

namespace unclosed {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string data(const std::string& name) {
  const auto bytes =
      read_file(std::string(UNCLOSED_SOURCE_DIR) + "/src/collect/pprof/testdata/" + name);
  return bytes ? *bytes : "";
}

// Answers GET by the target of the request line, on a port of loopback; what it does not know is
// 404. With `together` it answers nobody before so many ask.
class Server {
 public:
  struct Page {
    int status = 200;
    std::string body, head;  // further lines of the head
  };
  explicit Server(std::map<std::string, Page> pages, size_t together = 1)
      : x_pages(std::move(pages)), x_together(together) {
    x_socket = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(x_socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(x_socket.get(), 16);
    socklen_t size = sizeof address;
    ::getsockname(x_socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
    x_port = ntohs(address.sin_port);
    x_accepting = std::thread([this] { accept(); });
  }
  ~Server() {
    x_stop = true;
    x_accepting.join();
    for (std::thread& one : x_serving) one.join();
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::string address(const std::string& rest = "") const {
    return fmt::format("http://127.0.0.1:{}{}", x_port, rest);
  }
  std::vector<std::string> asked() {
    const std::lock_guard lock(x_mutex);
    return x_asked;
  }
  bool met() {
    const std::lock_guard lock(x_mutex);
    return x_met;
  }

 private:
  void accept() {
    while (!x_stop) {
      pollfd ready{x_socket.get(), POLLIN, 0};
      if (::poll(&ready, 1, 20) <= 0) continue;
      const int client = ::accept4(x_socket.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (client >= 0) x_serving.emplace_back([this, client] { serve(Fd(client)); });
    }
  }

  void serve(const Fd& client) {
    std::string head;
    char bytes[4096];
    while (head.find("\r\n\r\n") == std::string::npos) {
      pollfd ready{client.get(), POLLIN, 0};
      if (x_stop || ::poll(&ready, 1, 1000) <= 0) return;
      const auto got = ::read(client.get(), bytes, sizeof bytes);
      if (got <= 0) return;
      head.append(bytes, static_cast<size_t>(got));
    }
    const size_t start = head.find(' ') + 1;
    const std::string target = head.substr(start, head.find(' ', start) - start);
    Page page{404, "404 page not found\n", ""};
    {
      std::unique_lock lock(x_mutex);
      x_asked.push_back(target);
      if (const auto found = x_pages.find(target); found != x_pages.end()) page = found->second;
      ++x_waiting;
      x_change.notify_all();
      const bool met = x_change.wait_for(lock, std::chrono::milliseconds(500),
                                         [&] { return x_waiting % x_together == 0; });
      if (x_together > 1) x_met = met;
    }
    const std::string answer =
        fmt::format("HTTP/1.1 {} x\r\nContent-Length: {}\r\nConnection: close\r\n{}\r\n{}",
                    page.status, page.body.size(), page.head, page.body);
    for (size_t sent = 0; sent < answer.size();) {
      const auto put =
          ::send(client.get(), answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL);
      if (put <= 0) return;
      sent += static_cast<size_t>(put);
    }
  }

  std::map<std::string, Page> x_pages;
  size_t x_together, x_waiting = 0;
  Fd x_socket;
  uint16_t x_port = 0;
  std::atomic<bool> x_stop{false};
  std::thread x_accepting;
  std::vector<std::thread> x_serving;
  std::mutex x_mutex;
  std::condition_variable x_change;
  std::vector<std::string> x_asked;
  bool x_met = false;
};

std::string index_of(uint64_t goroutines) {
  return fmt::format(
      "<html><table><tr><td>4</td><td><a href='allocs?debug=1'>allocs</a></td></tr>\n"
      "<tr><td>{}</td><td><a href='goroutine?debug=1'>goroutine</a></td></tr></table>",
      goroutines);
}

RemoteSettings quick() {
  RemoteSettings settings;
  settings.between = std::chrono::milliseconds(20);
  settings.http.timeout = std::chrono::seconds(5);
  return settings;
}

Result<GoroutineCapture> capture(const std::string& text, const RemoteSettings& settings) {
  const auto address = parse_address(text);
  if (!address) return address.error();
  return capture_remote(*address, settings);
}

TEST(PprofAddress, what_people_type_leads_to_the_folder_of_profiles) {
  const auto folder = [](const std::string& text) {
    const auto address = parse_address(text);
    return address ? address->folder : "";
  };
  EXPECT_EQ(folder("http://host:6060"), "http://host:6060/debug/pprof/");
  EXPECT_EQ(folder("https://host/"), "https://host/debug/pprof/");
  EXPECT_EQ(folder("host:6060"), "http://host:6060/debug/pprof/");
  EXPECT_EQ(folder(":6060"), "http://localhost:6060/debug/pprof/");
  EXPECT_EQ(folder("http://[::1]:6060/debug/pprof"), "http://[::1]:6060/debug/pprof/");
  EXPECT_EQ(folder("http://host/admin/debug/pprof/goroutine?debug=2"),
            "http://host/admin/debug/pprof/");
  EXPECT_EQ(folder("http://host/admin/"), "http://host/admin/debug/pprof/");
}

TEST(PprofAddress, a_profile_that_is_named_is_the_one_that_is_meant) {
  const auto address = parse_address("http://host/debug/pprof/mutex?debug=1&token=t&seconds=5");
  ASSERT_TRUE(address);
  EXPECT_EQ(address->profile, "mutex");
  EXPECT_EQ(address->url("mutex", "debug=0"), "http://host/debug/pprof/mutex?token=t&debug=0");
}

TEST(PprofAddress, what_is_shown_has_no_secrets) {
  const auto address = parse_address("https://ops:geheim@host:8443/x?token=geheim#geheim");
  ASSERT_TRUE(address);
  EXPECT_EQ(address->shown, "https://host:8443/x");
  EXPECT_THAT(address->url("heap", ""), HasSubstr("ops:geheim@"));
}

TEST(PprofAddress, other_schemes_are_refused_without_repeating_them) {
  for (const char* text : {"ftp://geheim@host/", "file:///etc/passwd", "http://", "http://a b/"}) {
    const auto address = parse_address(text);
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().kind, ErrorKind::kUsage);
    EXPECT_THAT(address.error().context, Not(HasSubstr("geheim")));
  }
  EXPECT_TRUE(is_address("localhost:6060"));
  EXPECT_TRUE(is_address("http://x"));
  EXPECT_FALSE(is_address("dump.txt"));
  EXPECT_FALSE(is_address("dir/dump:12"));
}

TEST(Index, counts_are_found_in_the_pages_of_all_releases) {
  EXPECT_EQ(count_on_index(index_of(77), "goroutine"), 77U);
  EXPECT_EQ(
      count_on_index("<td>12</td><td><a href=goroutine?debug&#61;1>goroutine</a>", "goroutine"),
      12U);
  EXPECT_EQ(count_on_index("<td align=right>9<td><a href=\"goroutine?debug=1\">goroutine</a>",
                           "goroutine"),
            9U);
  EXPECT_FALSE(count_on_index(index_of(77), "goroutineleak"));
  EXPECT_FALSE(count_on_index("", "goroutine"));
}

TEST(Remote, goroutines_and_heap_are_asked_for_at_the_same_moment_twice) {
  Server server({{"/debug/pprof/", {200, index_of(30), ""}},
                 {"/debug/pprof/goroutine?debug=2", {200, data("go1.26.txt"), ""}},
                 {"/debug/pprof/heap?debug=0", {200, data("heap-go1.26.pb.gz"), ""}}});
  const auto one = capture(server.address(), quick());
  ASSERT_TRUE(one) << one.error().context;
  EXPECT_GT(one->goroutines, 20U);
  EXPECT_EQ(one->growth, 0);
  EXPECT_THAT(one->allocations, Not(IsEmpty()));
  EXPECT_EQ(one->rung, "pprof");
  EXPECT_GT(one->seconds_between.value_or(0), 0.015);
  EXPECT_THAT(one->notes, Contains(HasSubstr("no garbage collection")));
  EXPECT_EQ(server.asked().size(), 5U);
}

TEST(Remote, two_requests_do_not_wait_for_each_other) {
  Server server({{"/goroutine", {200, "a", ""}}, {"/heap", {200, "b", ""}}}, 2);
  const auto both = http_get({server.address("/goroutine"), server.address("/heap")}, "shown", {});
  ASSERT_TRUE(both);
  EXPECT_EQ((*both)[0].body, "a");
  EXPECT_EQ((*both)[1].body, "b");
  EXPECT_TRUE(server.met()) << "both stood at the server before either was answered";
}

TEST(Remote, many_goroutines_are_counted_and_not_dumped) {
  Server server({{"/debug/pprof/", {200, index_of(20'000), ""}},
                 {"/debug/pprof/goroutine?debug=0", {200, data("goroutine-go1.26.pb.gz"), ""}},
                 {"/debug/pprof/goroutine?debug=2", {200, data("go1.26.txt"), ""}},
                 {"/debug/pprof/heap?debug=0", {200, data("heap-go1.26.pb.gz"), ""}}});
  auto settings = quick();
  const auto counted = capture(server.address(), settings);
  ASSERT_TRUE(counted);
  EXPECT_THAT(server.asked(), Not(Contains(HasSubstr("debug=2"))));
  EXPECT_THAT(counted->notes, Contains(HasSubstr("--states")));
  EXPECT_THAT(counted->groups.front().ids, IsEmpty());
  settings.states = StatesWanted::kAlways;
  const auto dumped = capture(server.address(), settings);
  ASSERT_TRUE(dumped);
  EXPECT_THAT(dumped->groups.front().ids, Not(IsEmpty()));
}

TEST(Remote, without_its_page_the_profile_itself_is_counted) {
  Server server({{"/debug/pprof/goroutine?debug=0", {200, data("goroutine-go1.26.pb.gz"), ""}},
                 {"/debug/pprof/goroutine?debug=2", {200, data("go1.26.txt"), ""}}});
  const auto one = capture(server.address(), quick());
  ASSERT_TRUE(one) << one.error().context;
  EXPECT_THAT(one->notes, Contains(HasSubstr("without heap: ")));
  EXPECT_THAT(server.asked(), Contains("/debug/pprof/goroutine?debug=2"));
}

TEST(Remote, answers_that_are_no_profiles_have_errors_of_their_own) {
  Server server({{"/login/debug/pprof/goroutine?debug=0", {401, "", ""}},
                 {"/page/debug/pprof/", {200, "<html>welcome", ""}},
                 {"/page/debug/pprof/goroutine?debug=0", {200, "<html>welcome", ""}},
                 {"/loop", {302, "", "Location: /loop\r\n"}}});
  const auto error = [&](const std::string& path) {
    const auto one = capture(server.address(path), quick());
    return one ? Error{} : one.error();
  };
  EXPECT_EQ(error("/none").id, "UC-E022");
  EXPECT_EQ(error("/login").id, "UC-E023");
  EXPECT_EQ(error("/page").id, "UC-E020");
  EXPECT_THAT(error("/page").context, HasSubstr("web page"));
  EXPECT_FALSE(http_get({server.address("/loop")}, "shown", {}));
}

TEST(Remote, an_answer_without_end_is_given_up) {
  Server server({{"/big", {200, std::string(3 << 20, 'x'), ""}}});
  HttpSettings settings;
  settings.most_bytes = 1 << 20;
  const auto one = http_get({server.address("/big")}, "shown", settings);
  ASSERT_FALSE(one);
  EXPECT_EQ(one.error().kind, ErrorKind::kLimit);
}

TEST(Remote, errors_name_the_service_and_no_secret) {
  const auto one = capture("http://ops:geheim@127.0.0.1:1/?token=geheim", quick());
  ASSERT_FALSE(one);
  EXPECT_EQ(one.error().id, "UC-E021");
  EXPECT_THAT(one.error().context, HasSubstr("http://127.0.0.1:1"));
  EXPECT_THAT(one.error().context, Not(HasSubstr("geheim")));
}

TEST(Remote, an_interrupt_gives_what_there_is) {
  Server server({{"/debug/pprof/", {200, index_of(30), ""}},
                 {"/debug/pprof/goroutine?debug=2", {200, data("go1.26.txt"), ""}}});
  std::atomic<int> interrupt{0};
  auto settings = quick();
  settings.between = std::chrono::hours(1);
  settings.http.interrupt = &interrupt;
  settings.progress = [&](const std::string& what) {
    if (what.find("second capture") != std::string::npos) interrupt = 1;
  };
  const auto one = capture(server.address(), settings);
  ASSERT_TRUE(one);
  EXPECT_GT(one->goroutines, 20U);
  EXPECT_FALSE(one->growth);
  EXPECT_THAT(one->notes, Contains(HasSubstr("interrupted")));
}

TEST(Remote, a_profile_that_says_nothing_here_is_refused) {
  const auto one = capture("http://127.0.0.1:1/debug/pprof/trace", quick());
  ASSERT_FALSE(one);
  EXPECT_EQ(one.error().kind, ErrorKind::kUsage);
}

}  // namespace
}  // namespace unclosed
