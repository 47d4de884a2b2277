// JavaStacks: what leak detections of Java's pools (HikariCP, Druid, Tomcat, DBCP, c3p0) and OkHttp
// log: the stack under which a connection was borrowed that did not come back, Druid's also what
// its thread does meanwhile, and HikariCP's word that it came back after all. Equal stacks are
// counted together. It cannot know a stack that a layout of the log leaves out. One thread at a
// time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/trouble.h"

namespace unclosed {

// "	at com.acme.Dao.find(Dao.java:41)": nullopt: another line.
std::optional<NamedFrame> java_frame(std::string_view line);

class JavaStacks {
 public:
  void line(uint32_t stream, std::string_view text, uint64_t number);
  // Most frequent first. After the last line.
  std::vector<ReportedHold> take();

 private:
  struct Draft {
    ReportedHold hold;
    std::string connection;  // as HikariCP names it when it comes back
    bool reading_doing = false;
    int strangers = 0;  // lines since the last that was part of it
    bool open = false;  // its stack is being read
  };
  bool begins(Draft& draft, std::string_view text, uint64_t number);
  void taken_back(Draft& draft, std::string_view text);
  void keep(Draft& draft);

  std::unordered_map<uint32_t, Draft> x_drafts;  // by stream
  std::vector<ReportedHold> x_holds;
  std::unordered_map<std::string, size_t> x_by_connection;  // the hold that it was reported in
};

}  // namespace unclosed
