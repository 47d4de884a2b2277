#include "symbolize/go_sources.h"

#include <gtest/gtest.h>

namespace unclosed {
namespace {

GoroutineCapture capture(std::vector<NamedFrame> stack) {
  GoroutineCapture one;
  one.groups.emplace_back().stack = std::move(stack);
  return one;
}

NamedFrame frame(const char* function, const char* file) {
  NamedFrame one;
  one.function = function;
  one.file = file;
  one.line = 1;
  return one;
}

GoSources of(const char* file) {
  return go_sources(capture({frame("net/http.(*conn).serve", file)}));
}

TEST(GoSources, the_root_is_what_stands_before_a_package_of_the_library) {
  EXPECT_EQ(of("/usr/local/go/src/net/http/server.go").root, "/usr/local/go/src/");
  EXPECT_EQ(of("net/http/server.go").root, "") << "-trimpath";
  EXPECT_EQ(of("/home/dev/net/http/server.go").root, "") << "no library lies there";
}

TEST(GoSources, a_release_is_told_where_the_path_names_it) {
  EXPECT_EQ(of("/usr/lib/go-1.19/src/net/http/server.go").version, "go1.19");
  EXPECT_EQ(of("/home/dev/sdk/go1.22.3/src/net/http/server.go").version, "go1.22.3");
  EXPECT_EQ(of("/opt/hostedtoolcache/go/1.21.5/x64/src/net/http/server.go").version, "go1.21.5");
  EXPECT_EQ(
      of("/root/go/pkg/mod/golang.org/toolchain@v0.0.1-go1.26.8.linux-amd64/src/net/http/server.go")
          .version,
      "go1.26.8");
  EXPECT_EQ(of("/usr/local/go/src/net/http/server.go").version, "");
}

TEST(GoSources, frames_outside_of_library_and_module_cache_are_own) {
  auto one =
      capture({frame("internal/poll.runtime_pollWait", "/usr/local/go/src/runtime/netpoll.go"),
               frame("net.(*conn).Read", "/usr/local/go/src/net/net.go"),
               frame("github.com/lib/pq.(*conn).recv",
                     "/root/go/pkg/mod/github.com/lib/pq@v1.10.9/conn.go"),
               frame("shop/store.Load", "/srv/shop/store/load.go"),
               frame("main.main", "/srv/shop/main.go")});
  one.groups[0].created_by = frame("main.main", "/srv/shop/main.go");
  mark_own(one, {});
  const auto& stack = one.groups[0].stack;
  EXPECT_FALSE(stack[0].own);
  EXPECT_FALSE(stack[1].own);
  EXPECT_FALSE(stack[2].own);
  EXPECT_TRUE(stack[3].own);
  EXPECT_TRUE(stack[4].own);
  EXPECT_TRUE(one.groups[0].created_by->own);
  mark_own(one, {{"lib/pq"}, {"shop/store"}});
  EXPECT_TRUE(one.groups[0].stack[2].own);
  EXPECT_FALSE(one.groups[0].stack[3].own);
}

}  // namespace
}  // namespace unclosed
