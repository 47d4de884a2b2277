#include "cli/completion.h"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/error_catalogue.h"
#include "cli/output.h"

namespace unclosed {
namespace {

struct OptionWords {
  std::vector<std::string> names;  // with their dashes
  std::string help;
  bool takes_value = false;
};

std::vector<OptionWords> options_of(const CLI::App& command) {
  std::vector<OptionWords> all;
  for (const auto* option : command.get_options()) {
    OptionWords words;
    for (const auto& name : option->get_snames()) words.names.push_back("-" + name);
    for (const auto& name : option->get_lnames()) words.names.push_back("--" + name);
    words.help = option->get_description();
    words.takes_value = option->get_type_size() != 0;
    if (!words.names.empty()) all.push_back(std::move(words));
  }
  return all;
}

// Values of options and arguments that are known beforehand, by the option's or command's name.
const std::vector<std::pair<std::string, std::string>> kValues = {
    {"--color", "auto always never"},
    {"--fail-on", "leaking suspect incomplete"},
    {"--kind",
     "tcp udp unix file pipe fifo eventfd epoll timerfd signalfd inotify memfd pidfd netlink "
     "other"},
    {"--state",
     "ESTABLISHED SYN_SENT FIN_WAIT1 FIN_WAIT2 CLOSE CLOSE_WAIT LAST_ACK LISTEN CLOSING"},
    {"--sort", "limit fds growth pid"},
    {"--rung", "best bpf proc"},
    {"completion", "bash zsh fish"}};

std::string joined_names(const CLI::App& command) {
  std::string text;
  for (const auto& option : options_of(command)) {
    for (const auto& name : option.names) text += (text.empty() ? "" : " ") + name;
  }
  return text;
}

// Fit for single quotes in all three shells, and for zsh's [help] and : separators.
std::string quoted_help(const std::string& help) {
  std::string out;
  for (const char c : help) {
    if (c == '\'' || c == '[' || c == ']' || c == ':')
      out += c == ':' ? "," : "";
    else
      out += c;
  }
  return out;
}

std::string bash_script(const CLI::App& app) {
  std::string commands;
  std::string cases;
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    commands += (commands.empty() ? "" : " ") + command->get_name();
    cases += fmt::format("    {}) words='{}' ;;\n", command->get_name(), joined_names(*command));
  }
  std::string values;
  for (const auto& [name, words] : kValues) {
    values += fmt::format("    {}) COMPREPLY=($(compgen -W '{}' -- \"$word\")); return ;;\n", name,
                          words);
  }
  return fmt::format(
      "# bash completion for unclosed: source it, or put it into bash_completion.d\n"
      "_unclosed() {{\n"
      "  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} words i\n"
      "  [ \"$before\" = '=' ] && before=${{COMP_WORDS[COMP_CWORD-2]}}\n"
      "  [ \"$word\" = '=' ] && word=\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    [ \"${{COMP_WORDS[i]}}\" = '--' ] && {{ _command_offset $((i + 1)) 2>/dev/null; return; "
      "}}\n"
      "  done\n"
      "  if [ \"$COMP_CWORD\" = 1 ]; then\n"
      "    COMPREPLY=($(compgen -W '{} {}' -- \"$word\")); return\n"
      "  fi\n"
      "  case $before in\n{}"
      "    -o|--output) COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n"
      "  esac\n"
      "  case ${{COMP_WORDS[1]}} in\n{}"
      "  esac\n"
      "  if [[ \"${{COMP_WORDS[1]}}\" = @(explain|go) ]] && [ \"${{word#-}}\" = \"$word\" ]; then\n"
      "    COMPREPLY=($(compgen -f -- \"$word\")); return\n"
      "  fi\n"
      "  if [[ \"${{COMP_WORDS[1]}}\" = @(attach|ls) ]] && [ \"${{word#-}}\" = \"$word\" ]; then\n"
      "    words=$(ps -eo pid=,comm= 2>/dev/null)\n"
      "  fi\n"
      "  if [[ \"${{COMP_WORDS[1]}}\" = go ]] && [ \"${{word#-}}\" = \"$word\" ]; then\n"
      "    COMPREPLY=($(compgen -f -- \"$word\")); return\n"
      "  fi\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
      "}}\n"
      "complete -F _unclosed unclosed\n",
      commands, joined_names(app), values, cases);
}

std::string zsh_script(const CLI::App& app) {
  std::string commands;
  std::string cases;
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    commands +=
        fmt::format("    '{}:{}'\n", command->get_name(), quoted_help(command->get_description()));
    cases += fmt::format("    {}) _arguments", command->get_name());
    for (const auto& option : options_of(*command)) {
      for (const auto& name : option.names) {
        std::string value;
        if (option.takes_value)
          value = name == "--output" || name == "-o" ? ":file:_files" : ":value:";
        for (const auto& [known, words] : kValues) {
          if (known == name) value = fmt::format(":value:({})", words);
        }
        const std::string equals = option.takes_value && name.starts_with("--") ? "=" : "";
        cases +=
            fmt::format(" \\\n      '{}{}[{}]{}'", name, equals, quoted_help(option.help), value);
      }
    }
    if (command->get_name() == "attach" || command->get_name() == "ls")
      cases += " \\\n      '*:target:_pids'";
    if (command->get_name() == "explain" || command->get_name() == "go")
      cases += " \\\n      '*:file:_files'";
    if (command->get_name() == "run") cases += " \\\n      '*::command:_normal'";
    for (const auto& [known, words] : kValues) {
      if (known == command->get_name()) cases += fmt::format(" \\\n      '1:value:({})'", words);
    }
    cases += " ;;\n";
  }
  return fmt::format(
      "#compdef unclosed\n"
      "_unclosed() {{\n"
      "  local -a commands=(\n{}  )\n"
      "  if (( CURRENT == 2 )); then\n"
      "    _describe command commands\n"
      "    return\n"
      "  fi\n"
      "  shift words\n"
      "  (( CURRENT-- ))\n"
      "  case $words[1] in\n{}"
      "  esac\n"
      "}}\n"
      "compdef _unclosed unclosed\n",
      commands, cases);
}

std::string fish_script(const CLI::App& app) {
  std::string text = "# fish completion for unclosed\ncomplete -c unclosed -f\n";
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    const auto name = command->get_name();
    text += fmt::format("complete -c unclosed -n __fish_use_subcommand -a {} -d '{}'\n", name,
                        quoted_help(command->get_description()));
    for (const auto& option : options_of(*command)) {
      text += fmt::format("complete -c unclosed -n '__fish_seen_subcommand_from {}'", name);
      for (const auto& one : option.names) {
        text += one.starts_with("--") ? " -l " + one.substr(2) : " -s " + one.substr(1);
        for (const auto& [known, words] : kValues) {
          if (known == one) text += fmt::format(" -a '{}'", words);
        }
        if (one == "--output") text += " -F";
      }
      if (option.takes_value) text += " -r";
      text += fmt::format(" -d '{}'\n", quoted_help(option.help));
    }
    for (const auto& [known, words] : kValues) {
      if (known == name) {
        text += fmt::format("complete -c unclosed -n '__fish_seen_subcommand_from {}' -a '{}'\n",
                            name, words);
      }
    }
  }
  return text +
         "complete -c unclosed -n '__fish_seen_subcommand_from attach ls' -a "
         "'(__fish_complete_pids)'\n"
         "complete -c unclosed -n '__fish_seen_subcommand_from explain go' -F\n";
}

}  // namespace

std::string completion_script(const CLI::App& app, const std::string& shell) {
  if (shell == "zsh") return zsh_script(app);
  return shell == "fish" ? fish_script(app) : bash_script(app);
}

Command add_completion(CLI::App& app) {
  const auto shell = std::make_shared<std::string>();
  auto* command = app.add_subcommand("completion", "print a completion script for a shell");
  command->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->type_name("")
      ->check(CLI::IsMember({"bash", "zsh", "fish"}).description(""));
  command->footer(
      "Examples:\n"
      "  unclosed completion bash > /etc/bash_completion.d/unclosed\n"
      "  unclosed completion zsh > \"${fpath[1]}/_unclosed\"\n"
      "  unclosed completion fish > ~/.config/fish/completions/unclosed.fish");
  return {command, [&app, shell] {
            auto output = DataOutput::open("");
            const auto written =
                output ? output->write(completion_script(app, *shell)) : Status(output.error());
            if (written) return 0;
            complain(written.error());
            return exit_code(written.error().kind);
          }};
}

}  // namespace unclosed
