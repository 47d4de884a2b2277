// The lines of descriptors: as fast as the kernel's answers come.
#include <fmt/compile.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "report/listing_text.h"
#include "report/printable.h"
#include "report/text_page.h"

namespace unclosed {
namespace {

constexpr size_t kLineRoom = 192;  // of all but the name
constexpr size_t kBeforeWhere = 62, kPidWidth = 9;

char* put_number(char* at, uint64_t value) { return std::to_chars(at, at + 20, value).ptr; }

// Right-aligned in `width`, and a space behind.
char* put_right(char* at, uint64_t value, size_t width) {
  char digits[20];
  const auto length = static_cast<size_t>(put_number(digits, value) - digits);
  for (size_t i = length; i < width; ++i) *at++ = ' ';
  std::memcpy(at, digits, length);
  at[length] = ' ';
  return at + length + 1;
}

char* put_right(char* at, std::string_view text, size_t width) {
  for (size_t i = text.size(); i < width; ++i) *at++ = ' ';
  std::memcpy(at, text.data(), text.size());
  at[text.size()] = ' ';
  return at + text.size() + 1;
}

char* put_left(char* at, std::string_view text, size_t width) {
  std::memcpy(at, text.data(), text.size());
  at += text.size();
  for (size_t i = text.size(); i < width; ++i) *at++ = ' ';
  *at++ = ' ';
  return at;
}

char* put_duration(char* at, int32_t ms, size_t width) {
  if (ms < 0) return put_right(at, std::string_view("-"), width);
  const uint64_t whole = static_cast<uint64_t>(ms) / 1000;
  char text[40];
  char* end = text;
  const auto pair = [&](uint64_t high, char high_unit, uint64_t low, char low_unit) {
    end = put_number(end, high);
    *end++ = high_unit;
    if (low == 0) return;
    end = put_number(end, low);
    *end++ = low_unit;
  };
  if (whole < 60) {
    pair(whole, 's', 0, 's');
  } else if (whole < 3600) {
    pair(whole / 60, 'm', whole % 60, 's');
  } else if (whole < 86400) {
    pair(whole / 3600, 'h', whole % 3600 / 60, 'm');
  } else {
    pair(whole / 86400, 'd', whole % 86400 / 3600, 'h');
  }
  return put_right(at, std::string_view(text, static_cast<size_t>(end - text)), width);
}

char* put_end(char* at, const Endpoint& end) {
  if (end.family == AF_INET) {
    for (int i = 0; i < 4; ++i) {
      at = put_number(at, end.address[static_cast<size_t>(i)]);
      *at++ = i < 3 ? '.' : ':';
    }
    return put_number(at, end.port);
  }
  const std::string text = end.known() ? end.to_string() : "-";
  std::memcpy(at, text.data(), text.size());
  return at + text.size();
}

std::string_view state_word(const ListedDescriptor& one) {
  if (one.state != TcpState::kNone) return to_string(one.state);
  return "-";
}

Ink ink_of(const ListedDescriptor& one) {
  if (one.state == TcpState::kCloseWait) return Ink::kWarn;
  return one.unlisted ? Ink::kBad : Ink::kPlain;
}

class Rows {
 public:
  Rows(const ListedProcess& process, PidColumn pid, const ListingStyle& style)
      : x_process(process), x_pid(pid), x_style(style), x_page(style.width, style.colour) {
    x_room = style.width == SIZE_MAX ? SIZE_MAX : style.width - std::min(style.width, indent()) - 1;
  }

  std::string all() {
    x_text.resize(x_process.descriptors.size() * 112 + kLineRoom);
    for (const ListedDescriptor& one : x_process.descriptors) put(one);
    x_text.resize(x_used);
    return std::move(x_text);
  }

 private:
  size_t indent() const { return kBeforeWhere + (x_pid == PidColumn::kFirst ? kPidWidth : 0); }

  void make_room(size_t more) {
    if (x_text.size() - x_used < more) x_text.resize(x_text.size() * 2 + more);
  }
  void add(std::string_view text) {
    make_room(text.size());
    std::memcpy(x_text.data() + x_used, text.data(), text.size());
    x_used += text.size();
  }

  void put(const ListedDescriptor& one) {
    make_room(kLineRoom * 2);
    char* const start = x_text.data() + x_used;
    char* at = start;
    if (x_pid == PidColumn::kFirst) {
      at = put_right(at, static_cast<uint64_t>(x_process.id.pid), kPidWidth - 1);
    }
    at = put_right(at, static_cast<uint64_t>(one.fd), 7);
    at = put_left(at, to_string(one.kind), 8);
    char* const state = at;
    at = put_left(at, state_word(one), 12);
    x_used += static_cast<size_t>(at - start);
    if (x_style.colour && ink_of(one) != Ink::kPlain) {
      x_used = static_cast<size_t>(state - x_text.data());
      const std::string word(state_word(one));
      add(x_page.paint(word, ink_of(one)));
      add(std::string(13 - std::min<size_t>(word.size(), 12), ' '));
      make_room(kLineRoom * 2);
    }
    char* const rest = x_text.data() + x_used;
    at = rest;
    if (one.has_queues) {
      at = put_right(at, one.recv_queue, 7);
      at = put_right(at, one.send_queue, 7);
    } else {
      at = put_right(at, std::string_view("-"), 7);
      at = put_right(at, std::string_view("-"), 7);
    }
    at = put_duration(at, one.idle_ms, 7);
    at = put_duration(at, one.older_ms, 7);
    x_used += static_cast<size_t>(at - rest);
    put_where(one);
  }

  void put_where(const ListedDescriptor& one) {
    if (one.local.known() || one.peer.known()) {
      char* const start = x_text.data() + x_used;
      char* at = put_end(start, one.local);
      if (one.peer.known()) {
        std::memcpy(at, " → ", 5);
        at = put_end(at + 5, one.peer);
      }
      x_used += static_cast<size_t>(at - start);
      put_waiters(one.fd);
      add("\n");
      return;
    }
    std::string name = one.name == 0 ? "" : printable(x_process.names[one.name - 1]);
    if (one.unlisted) name = "connected to nobody: reset, timed out, or never connected";
    if (one.thread != 0) name = fmt::format("(thread {}) {}", one.thread, name);
    if (x_room != SIZE_MAX && columns(name) > x_room) {
      name = fit(name, x_room, one.unlisted ? CutAt::kEnd : CutAt::kStart);
    }
    if (name.empty()) name = "-";
    add(name);
    put_waiters(one.fd);
    add("\n");
  }

  // Which goroutines wait on it, and where.
  void put_waiters(int32_t fd) {
    const auto& all = x_process.parked;
    const auto at = std::lower_bound(
        all.begin(), all.end(), fd,
        [](const ParkedDescriptor& parked, int32_t wanted) { return parked.fd < wanted; });
    if (at == all.end() || at->fd != fd) return;
    for (const DescriptorWaiter& waiter : at->waiters) {
      add(fmt::format("  ← goroutine {} ({})", waiter.goroutine, to_string(waiter.what)));
      if (!waiter.at) continue;
      add(" " + printable(waiter.at->function));
      if (!waiter.at->file.empty())
        add(fmt::format(" {}:{}", printable(base_name(waiter.at->file)), waiter.at->line));
    }
  }

  const ListedProcess& x_process;
  PidColumn x_pid;
  const ListingStyle& x_style;
  TextPage x_page;
  size_t x_room = 0, x_used = 0;
  std::string x_text;
};

}  // namespace

std::string listing_rows_head(PidColumn pid) {
  return fmt::format("{}{:>7} {:<8} {:<12} {:>7} {:>7} {:>7} {:>7} {}\n",
                     pid == PidColumn::kFirst ? fmt::format("{:>8} ", "PID") : "", "FD", "KIND",
                     "STATE", "UNREAD", "UNSENT", "IDLE", "AGE≥", "WHERE");
}

std::string listing_rows(const ListedProcess& process, PidColumn pid, const ListingStyle& style) {
  return Rows(process, pid, style).all();
}

}  // namespace unclosed
