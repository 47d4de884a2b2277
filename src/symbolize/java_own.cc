#include "symbolize/java_own.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace unclosed {
namespace {

constexpr std::array<std::string_view, 56> kLibraries = {"java.",
                                                         "javax.",
                                                         "jakarta.",
                                                         "jdk.",
                                                         "sun.",
                                                         "com.sun.",
                                                         "com.zaxxer.hikari.",
                                                         "com.alibaba.druid.",
                                                         "com.mchange.",
                                                         "com.mysql.",
                                                         "com.microsoft.sqlserver.",
                                                         "com.fasterxml.",
                                                         "com.google.common.",
                                                         "com.google.inject.",
                                                         "com.netflix.",
                                                         "com.querydsl.",
                                                         "com.vaadin.",
                                                         "org.springframework.",
                                                         "org.hibernate.",
                                                         "org.apache.",
                                                         "org.postgresql.",
                                                         "org.mariadb.",
                                                         "org.h2.",
                                                         "org.eclipse.",
                                                         "org.jboss.",
                                                         "org.wildfly.",
                                                         "org.jooq.",
                                                         "org.jdbi.",
                                                         "org.mybatis.",
                                                         "org.aspectj.",
                                                         "org.aopalliance.",
                                                         "org.glassfish.",
                                                         "org.slf4j.",
                                                         "org.quartz.",
                                                         "org.junit.",
                                                         "org.flywaydb.",
                                                         "org.codehaus.groovy.",
                                                         "groovy.",
                                                         "kotlin.",
                                                         "kotlinx.",
                                                         "scala.",
                                                         "clojure.",
                                                         "akka.",
                                                         "play.",
                                                         "slick.",
                                                         "io.netty.",
                                                         "io.vertx.",
                                                         "io.quarkus.",
                                                         "io.micronaut.",
                                                         "io.micrometer.",
                                                         "io.undertow.",
                                                         "io.grpc.",
                                                         "io.ebean.",
                                                         "io.agroal.",
                                                         "reactor.",
                                                         "oracle."};

// Made by the runtime or by a proxy around somebody's class.
constexpr std::array<std::string_view, 8> kMade = {
    "$$EnhancerBy", "$$SpringCGLIB$$", "$$FastClassBy", "$Proxy",
    "$$Lambda$",    "$$Lambda/",       "ByteBuddy",     "CGLIB$"};

bool own_java(std::string_view function) {
  const auto starts = [&](std::string_view one) { return function.starts_with(one); };
  const auto holds = [&](std::string_view one) {
    return function.find(one) != std::string_view::npos;
  };
  return std::none_of(kLibraries.begin(), kLibraries.end(), starts) &&
         std::none_of(kMade.begin(), kMade.end(), holds);
}

}  // namespace

void mark_own_java(std::vector<NamedFrame>& stack, const OwnRules& rules) {
  for (NamedFrame& frame : stack) {
    const auto asked = own_by_pattern(rules, frame.function, frame.file, frame.module);
    frame.own = asked ? *asked : own_java(frame.function);
  }
}

}  // namespace unclosed
