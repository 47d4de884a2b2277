#include "judge/sender.h"

namespace unclosed {

const OwnFrame* own_sender(const Stacks& stacks, const ConnectionFacts& facts, bool alive) {
  if (facts.role != Role::kClient || facts.opening_in_tenure || facts.tenure_count != 1) {
    return nullptr;
  }
  const OwnFrame* sender = nullptr;
  for (const auto& request : facts.requests) {
    if (!request || request->stack == kNoStack) continue;  // sampled out
    const auto* view = stacks.own_view(request->stack);
    // Whoever sends for himself was called by somebody.
    if (view == nullptr || view->own.size() != 1) return nullptr;
    if (sender != nullptr && sender->function != view->own.front().function) return nullptr;
    sender = &view->own.front();
  }
  if (sender == nullptr) return nullptr;
  const bool another_reads =
      facts.first_receive && facts.tenure && !facts.first_receive->by.same_as(facts.tenure->by);
  return alive || another_reads ? sender : nullptr;
}

std::string home_of(std::string_view function) {
  const size_t arguments = function.find('(', function.find("operator") == 0 ? 10 : 0);
  const std::string_view name = function.substr(0, arguments);
  if (const size_t scope = name.rfind("::"); scope != std::string_view::npos) {
    return std::string(name.substr(0, scope + 2));
  }
  const size_t path = function.rfind('/');
  const size_t dot = function.find('.', path == std::string_view::npos ? 0 : path);
  return dot == std::string_view::npos ? std::string() : std::string(function.substr(0, dot + 1));
}

std::optional<StackView> outside_of(const StackView& opening, std::string_view home) {
  if (home.empty()) return std::nullopt;
  StackView outside = opening;
  while (!outside.own.empty() && outside.own.back().frame->function.starts_with(home)) {
    outside.own.pop_back();
  }
  if (outside.own.empty()) return std::nullopt;
  return outside;
}

}  // namespace unclosed
