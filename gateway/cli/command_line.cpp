#include "gateway/cli/command_line.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <span>
#include <sstream>
#include <string_view>

#include "gateway/cli/version.hpp"
#include "gateway/config/options.hpp"

namespace rowgate::cli {
namespace {

/// What every verb needs to find the gateway's files and its database.
constexpr std::string_view where_flags[] = {"--mapping", "--data-dir", "--sink"};
constexpr std::string_view user_flags[] = {"--users"};

std::string_view value_name(const config::Option& option) {
  switch (option.kind) {
    case config::Kind::file:
      return option.flag == "--data-dir" ? "DIR" : "FILE";
    case config::Kind::endpoint:
      return "HOST:PORT";
    case config::Kind::size:
      return "SIZE";
    case config::Kind::duration:
      return "TIME";
    case config::Kind::count:
      return "N";
    case config::Kind::choice:
    case config::Kind::flag:
      return "WORD";
    case config::Kind::text:
      return option.flag == "--sink" ? "URL" : "TEXT";
  }
  return "TEXT";
}

std::string help_of(const config::Option& option) {
  std::string help(option.help);
  help.erase(std::remove(help.begin(), help.end(), '`'), help.end());  // Markdown's
  const config::Config defaults;
  const std::string value = option.get(defaults);
  if (!value.empty()) help += " Default: " + value + ".";
  return help;
}

/// CLI11 parts its groups with two.
std::string without_double_blank_lines(std::string text) {
  for (auto at = text.find("\n\n\n"); at != std::string::npos; at = text.find("\n\n\n", at)) {
    text.erase(at, 1);
  }
  return text;
}

class Parser {
 public:
  Parser() : app_("Rowgate: an MQTT server whose subscriber is a SQL database.", "rowgate") {
    app_.set_version_flag("--version", std::string("rowgate ") + version, "Print the version.");
    app_.set_help_flag("-h,--help", "Print this help and exit.");
    app_.require_subcommand(1);
    app_.footer(
        "Each verb has --help. Exit codes: 0 ok, 1 failed, 2 usage or configuration.\n"
        "Every option is also a key of the configuration file and an environment variable\n"
        "(--log-level, [log] level, ROWGATE_LOG_LEVEL); flags win, then the environment.");
    app_.get_formatter()->column_width(34);
    add_serve();
    add_check();
    add_explain();
    add_query();
    add_kept("deadletter", "dead letters", false);
    add_kept("unmapped", "unmapped messages", true);
    add_journal();
    add_user();
  }

  std::optional<CommandLine> parse(std::vector<std::string> arguments, std::ostream& out,
                                   std::ostream& err, int& exit_code) {
    if (const std::string wrong = unknown_verb(arguments); !wrong.empty()) {
      err << wrong << '\n';
      exit_code = 2;
      return std::nullopt;
    }
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
    try {
      app_.parse(std::move(arguments));
    } catch (const CLI::ParseError& e) {
      std::ostringstream help;
      exit_code = app_.exit(e, help, err) == 0 ? 0 : 2;
      out << without_double_blank_lines(help.str());
      return std::nullopt;
    }
    return std::move(command_);
  }

 private:
  /// CLI11 would say that a subcommand is required, but not which word it did not know.
  std::string unknown_verb(const std::vector<std::string>& arguments) const {
    const CLI::App* at = &app_;
    std::string path = "rowgate";
    for (const std::string& word : arguments) {
      const auto verbs = at->get_subcommands([](const CLI::App*) { return true; });
      if (verbs.empty() || word.starts_with('-')) break;
      std::vector<std::string_view> names;
      const CLI::App* next = nullptr;
      for (const CLI::App* verb : verbs) {
        names.push_back(verb->get_name());
        if (verb->get_name() == word) next = verb;
      }
      if (next == nullptr) {
        const std::string_view near = config::nearest(word, names);
        return path + ": there is no verb '" + word + "'" +
               (near.empty() ? "" : " (did you mean '" + std::string(near) + "'?)") + "; " + path +
               " --help lists them";
      }
      at = next;
      path += " " + word;
    }
    return "";
  }

  CLI::App* add_verb(CLI::App& to, const char* name, const char* help, std::optional<Verb> verb) {
    CLI::App* added = to.add_subcommand(name, help);
    if (verb) added->callback([this, verb] { command_.verb = *verb; });
    return added;
  }

  /// `only`: these flags of the option table; empty: all.
  void add_options(CLI::App& verb, std::span<const std::string_view> only = {}) {
    verb.add_option("--config", command_.config_file,
                    "The configuration file; default: the one in ROWGATE_CONFIG, or none.")
        ->type_name("FILE")
        ->group("Configuration");
    for (const config::Option& option : config::options()) {
      if (option.flag.empty()) continue;
      if (!only.empty() && std::find(only.begin(), only.end(), option.flag) == only.end()) continue;
      verb.add_option_function<std::string>(
              std::string(option.flag),
              [this, name = std::string(option.name)](const std::string& value) {
                command_.overrides.emplace_back(name, value);
              },
              help_of(option))
          ->type_name(std::string(value_name(option)))
          ->group("Configuration");
    }
  }

  void add_format(CLI::App& verb) {
    static const std::map<std::string, Format> formats{
        {"table", Format::table}, {"csv", Format::csv}, {"json", Format::json}};
    verb.add_option_function<std::string>(
            "--format", [this](const std::string& word) { command_.format = formats.at(word); },
            "How rows are printed: table (default), csv or json.")
        ->check(CLI::IsMember(formats).description(""))
        ->type_name("FORMAT");
  }

  void add_serve() {
    CLI::App* verb =
        add_verb(app_, "serve", "Run the gateway until SIGTERM or SIGINT.", Verb::serve);
    add_options(*verb);
    verb->footer(
        "SIGHUP reads the mapping file again. Without any option: MQTT on 127.0.0.1:1883,\n"
        "HTTP on 127.0.0.1:8080, rows in ./rowgate-data/telemetry.db (SQLite).");
  }

  void add_check() {
    CLI::App* verb =
        add_verb(app_, "check", "Check configuration and mapping, and show the DDL that would run.",
                 Verb::check);
    CLI::Option* offline =
        verb->add_flag("--offline", command_.check.offline, "Leave the database alone.");
    verb->add_option("--against", command_.check.against,
                     "Check against this database instead of the configured sink.")
        ->type_name("URL")
        ->excludes(offline);
    add_options(*verb);
    verb->footer(
        "Changes nothing. 1: a table does not fit, and why, column by column.\n"
        "Example: rowgate check --mapping plant.toml --against postgresql://USER@HOST/DATABASE");
  }

  void add_explain() {
    CLI::App* verb = add_verb(app_, "explain",
                              "Show which mapping takes a message, the row it makes, or why not.",
                              Verb::explain);
    auto& to = command_.explain;
    verb->add_option("TOPIC", to.topic, "The topic that would be published to.")
        ->required()
        ->type_name("");
    verb->add_option("PAYLOAD", to.payload, "The payload; @FILE reads a file, - standard input.")
        ->type_name("");
    verb->add_option("--payload-file", to.payload_file, "Read the payload from a file.")
        ->type_name("FILE");
    verb->add_flag("--hex", to.hex, "The payload is hex digits: 0a 1b, 0a1b.");
    verb->add_option("--client-id", to.client_id, "The publisher's client id.")->type_name("ID");
    verb->add_option("--qos", to.qos, "The publish's QoS: 0, 1 or 2.")
        ->check(CLI::Range(0U, 2U).description(""))
        ->type_name("N");
    verb->add_flag("--retain", to.retain, "As if published with the retain flag.");
    verb->add_option("--content-type", to.content_type, "The publish's content type (MQTT 5).")
        ->type_name("TYPE");
    verb->add_option("--property", to.properties,
                     "A user property (MQTT 5); may be given more than once.")
        ->type_name("NAME=VALUE")
        ->take_all();
    add_options(*verb, where_flags);
    verb->footer(
        "Each row is followed by the INSERT that stores it, for the sink that --sink names: it "
        "can\n"
        "be pasted into psql or sqlite3. The database is not asked.\n"
        "Example: rowgate explain site/7/climate '{\"temp\": 21.5}' --mapping plant.toml\n"
        "A payload that begins with a hyphen follows --: rowgate explain meter -- -5");
  }

  void add_query() {
    CLI::App* verb =
        add_verb(app_, "query", "Run one read-only SQL statement on the sink.", Verb::query);
    verb->add_option("SQL", command_.query.sql, "The statement; - reads standard input.")
        ->required()
        ->type_name("");
    add_format(*verb);
    add_options(*verb, where_flags);
    verb->footer("Example: rowgate query 'SELECT * FROM telemetry ORDER BY ts DESC LIMIT 10'");
  }

  void add_kept_filters(CLI::App& verb, bool unmapped) {
    auto& kept = command_.kept;
    if (!unmapped) {
      verb.add_option("--of", kept.mapping, "Only the dead letters of this mapping.")
          ->type_name("NAME");
    }
    verb.add_option("--topic", kept.topic, "Only topics that this MQTT topic filter takes.")
        ->type_name("FILTER");
    verb.add_option("--since", kept.since,
                    "Only what was received then or later: a time, or how long ago.")
        ->type_name("TIME");
    verb.add_option("--until", kept.until, "Only what was received before.")->type_name("TIME");
    verb.add_option("--limit", kept.limit, "At most so many messages.")
        ->check(CLI::Validator(CLI::PositiveNumber).description(""))
        ->type_name("N");
  }

  void add_kept(const char* name, const std::string& what, bool unmapped) {
    auto& kept = command_.kept;
    CLI::App* group =
        add_verb(app_, name,
                 ("Look at " + what + ", replay or purge them: list, show, replay, purge.").c_str(),
                 std::nullopt);
    group->require_subcommand(1);
    group->footer("Works beside a running gateway.");
    const auto add = [&](const char* verb_name, const std::string& help, Verb verb) {
      CLI::App* added = add_verb(*group, verb_name, help.c_str(), verb);
      added->parse_complete_callback([&kept, unmapped] { kept.unmapped = unmapped; });
      return added;
    };
    CLI::App* list = add("list", "Print " + what + ", the newest first.", Verb::kept_list);
    CLI::App* show =
        add("show", "Print one, whole, and what today's mapping makes of it.", Verb::kept_show);
    CLI::App* replay =
        add("replay", "Store " + what + " through today's mapping.", Verb::kept_replay);
    CLI::App* purge = add("purge", "Delete " + what + " for good.", Verb::kept_purge);
    show->add_option("ID", kept.id, "Its id, as list prints it.")->required()->type_name("");
    for (CLI::App* verb : {list, replay, purge}) add_kept_filters(*verb, unmapped);
    if (!unmapped) {
      replay
          ->add_option("--to", kept.to,
                       "The mapping for those whose own is gone or takes their topic no more.")
          ->type_name("NAME");
    }
    replay->add_flag("--dry-run", kept.dry_run,
                     "Say what would become of them, and change nothing.");
    purge->add_flag("--dry-run", kept.dry_run, "Count them, and change nothing.");
    purge->add_flag("--all", kept.all, "All of them; needed where there is no filter.");
    list->footer(
        "Without --limit: 50. FILTER is as in a subscription: site/+/climate, site/#. A time is\n"
        "2026-11-21T07:00:00Z, or how long ago: 90 min, 2 h, 7 d.");
    replay->footer(unmapped ? "Stored and gone, or left as they were where no mapping takes them. "
                              "What a mapping refuses\n"
                              "becomes a dead letter. Nothing is stored twice, whatever is killed "
                              "in between: run it again."
                            : "Stored and gone, or left with today's reason. Only through their "
                              "own mapping, and only the\n"
                              "rows that were refused. Nothing is stored twice, whatever is killed "
                              "in between: run it again.");
    for (CLI::App* verb : {list, show, replay, purge}) {
      add_format(*verb);
      add_options(*verb, where_flags);
    }
  }

  void add_journal() {
    CLI::App* journal =
        add_verb(app_, "journal", "Look at the journal: info, verify, dump.", std::nullopt);
    journal->require_subcommand(1);
    journal->footer("Read-only; works beside a running gateway.");
    CLI::App* info =
        add_verb(*journal, "info", "What the journal holds, in numbers.", Verb::journal_info);
    info->add_flag("--segments", command_.journal.segments, "A row for each segment file instead.");
    CLI::App* verify =
        add_verb(*journal, "verify", "Read every record and check it; 1: it is damaged, and where.",
                 Verb::journal_verify);
    CLI::App* dump = add_verb(*journal, "dump", "Print its records.", Verb::journal_dump);
    // Unsigned, but CLI11 would take -1 for the largest.
    const CLI::Validator not_negative = CLI::Validator(CLI::NonNegativeNumber).description("");
    dump->add_option("--from", command_.journal.from, "Begin at this position.")
        ->check(not_negative)
        ->type_name("POSITION");
    dump->add_option("--limit", command_.journal.limit, "At most so many records.")
        ->check(not_negative)
        ->type_name("N");
    for (CLI::App* verb : {info, verify, dump}) {
      add_format(*verb);
      add_options(*verb, where_flags);
    }
  }

  void add_user() {
    CLI::App* user = add_verb(
        app_, "user", "Manage the users file: add, password, roles, remove, list.", std::nullopt);
    user->require_subcommand(1);
    user->footer("A running gateway reads the users file again when it changes.");
    CLI::App* add = add_verb(*user, "add", "Add a user.", Verb::user_add);
    CLI::App* password =
        add_verb(*user, "password", "Change a user's password.", Verb::user_password);
    CLI::App* roles =
        add_verb(*user, "roles", "Give a user these roles and no others.", Verb::user_roles);
    CLI::App* remove = add_verb(*user, "remove", "Remove a user.", Verb::user_remove);
    CLI::App* list = add_verb(*user, "list", "Print the users and their roles.", Verb::user_list);
    for (CLI::App* verb : {add, password, roles, remove}) {
      verb->add_option("NAME", command_.user.name, "The user's name.")->required()->type_name("");
    }
    for (CLI::App* verb : {add, roles}) {
      verb->add_option("--role", command_.user.roles, "A role; may be given more than once.")
          ->type_name("ROLE")
          ->take_all();
    }
    add->add_flag("--no-password", command_.user.no_password,
                  "For a user who comes with a client certificate.");
    add_format(*list);
    for (CLI::App* verb : {add, password, roles, remove, list}) add_options(*verb, user_flags);
    for (CLI::App* verb : {add, password}) {
      verb->footer(
          "The password is read from the terminal, without echo, or from the first line of\n"
          "standard input where that is no terminal.");
    }
  }

  CLI::App app_;
  CommandLine command_;
};

}  // namespace

std::optional<CommandLine> parse(const std::vector<std::string>& arguments, std::ostream& out,
                                 std::ostream& err, int& exit_code) {
  return Parser().parse(arguments, out, err, exit_code);
}

}  // namespace rowgate::cli
