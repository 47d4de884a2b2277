#include "symbolize/java_own.h"

#include <gtest/gtest.h>

namespace unclosed {
namespace {

TEST(JavaOwn, the_platform_libraries_and_made_classes_are_not_own) {
  std::vector<NamedFrame> stack;
  for (const char* function :
       {"com.zaxxer.hikari.HikariDataSource.getConnection", "com.acme.shop.OrderDao.export",
        "com.acme.shop.OrderDao$$SpringCGLIB$$0.export", "java.lang.Thread.run",
        "org.apache.tomcat.util.threads.TaskThread$WrappingRunnable.run", "javax0.App.run"}) {
    stack.push_back({.function = function, .file = "X.java", .line = 1, .module = ""});
  }
  mark_own_java(stack, {});
  std::string own;
  for (const auto& frame : stack) own += frame.own ? '1' : '0';
  EXPECT_EQ(own, "010001");
  mark_own_java(stack, {.own = {}, .not_own = {"com.acme.shop.OrderDao"}});
  EXPECT_FALSE(stack[1].own);
  mark_own_java(stack, {.own = {"org.apache.tomcat"}, .not_own = {}});
  EXPECT_TRUE(stack[4].own);
}

}  // namespace
}  // namespace unclosed
