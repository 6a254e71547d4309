package peers;

import java.io.BufferedOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.apache.lucene.analysis.Analyzer;
import org.apache.lucene.analysis.core.WhitespaceAnalyzer;
import org.apache.lucene.analysis.standard.StandardAnalyzer;
import org.apache.lucene.document.Document;
import org.apache.lucene.index.Term;
import org.apache.lucene.monitor.CustomQueryHandler;
import org.apache.lucene.monitor.MatchingQueries;
import org.apache.lucene.monitor.Monitor;
import org.apache.lucene.monitor.MonitorConfiguration;
import org.apache.lucene.monitor.MonitorQuery;
import org.apache.lucene.monitor.MultiMatchingQueries;
import org.apache.lucene.monitor.MultipassTermFilteredPresearcher;
import org.apache.lucene.monitor.QueryMatch;
import org.apache.lucene.monitor.RegexpQueryHandler;
import org.apache.lucene.monitor.TermFilteredPresearcher;
import org.apache.lucene.monitor.TermWeightor;
import org.apache.lucene.search.Query;
import org.apache.lucene.util.Version;

/**
 * Lucene Monitor over the queries and tweets of a directory. Prints one JSON object a line for each
 * way of using it.
 *
 * <p>All on one thread. Rates count the processor time of that thread: what the compiler and the
 * garbage collector do on theirs is not counted.
 * Times are taken by the rules of {@code timing.rs}: the same clock, read as often, the same caps,
 * the same number of rounds.
 */
public final class Main {
  private static final int ROUNDS = 3;

  /** The clocks are read once in so many tweets, at the start sooner. */
  private static final int LOOK = 16;

  /**
   * On a machine that is busy with other things, a pass may last so many times its cap by the clock
   * on the wall.
   */
  private static final int PATIENCE = 4;

  /** So often the warm-up goes over its tweets, if the time allows it. */
  private static final int WARM_UPS = 3;

  /**
   * Before anything is measured, so many queries are run for so long at least, or the compiler is
   * late for the first way.
   */
  private static final int FIRST_QUERIES = 10_000;

  private static final long FIRST_NANOS = 5_000_000_000L;

  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

  /**
   * A way of using the monitor.
   *
   * @param passes more than one: of the presearcher that indexes as many terms of a query
   * @param words whether it gets perch's words, instead of the text
   * @param batches how many tweets it gets at once, by turns
   */
  private record Way(String name, Weights weights, int passes, boolean words, int[] batches) {
    /** Of {@code weights/passes/words/batch+batch}, where words may be {@code text}. */
    static Way parse(String name) {
      String[] parts = name.split("/");
      return new Way(
          String.join("-", parts[0], parts[1], parts[2]),
          Weights.valueOf(parts[0].toUpperCase(Locale.ROOT)),
          Integer.parseInt(parts[1]),
          parts[2].equals("words"),
          Arrays.stream(parts[3].split("[+]")).mapToInt(Integer::parseInt).toArray());
    }
  }

  private enum Weights {
    DEFAULT,
    FREQUENCY,
    TUNED
  }

  /** What a pass over tweets gave. */
  private static final class Pass {
    int tweets;
    long matches;
    long candidates;
    long errors;
    long nanos;

    /** Tweets a second of processor time. */
    double perSecond() {
      return tweets / (nanos / 1e9);
    }
  }

  private final Path dir;
  private final long capNanos;
  private final int checked;
  private final Tweets before;
  private final Tweets tweets;
  private final Map<Term, Integer> frequencies;

  private Main(Path dir, long capMs, int checked) throws IOException {
    this.dir = dir;
    this.capNanos = capMs * 1_000_000;
    this.checked = checked;
    before = Tweets.read(dir.resolve("before.jsonl"));
    tweets = Tweets.read(dir.resolve("tweets.jsonl"));
    frequencies = before.documentFrequencies();
  }

  /**
   * Arguments: the directory, the time for a way in milliseconds, how many tweets to check match by
   * match, the ways.
   */
  public static void main(String[] args) throws IOException {
    Main main = new Main(Path.of(args[0]), Long.parseLong(args[1]), Integer.parseInt(args[2]));
    List<Way> ways = Arrays.stream(args[3].split(",")).map(Way::parse).toList();
    main.first(ways.get(0));
    for (Way way : ways) {
      main.run(way);
    }
  }

  /** Lets the compiler see all of it, so that the first way is not slower than the others. */
  private void first(Way way) throws IOException {
    List<Query> queries = Queries.read(dir.resolve("queries.jsonl"), FIRST_QUERIES, false);
    try (Monitor monitor = monitor(way)) {
      register(monitor, queries);
      for (int batch : way.batches) {
        long cap = Math.max(capNanos / 2, FIRST_NANOS) / way.batches.length;
        pass(monitor, way, batch, before, WARM_UPS * before.size(), cap, null);
      }
    }
  }

  private Monitor monitor(Way way) throws IOException {
    Analyzer analyzer = way.words ? new WhitespaceAnalyzer() : new StandardAnalyzer();
    // Purging the cache is for removed queries; there are none.
    MonitorConfiguration configuration = new MonitorConfiguration().setPurgeFrequency(1, TimeUnit.DAYS);
    // Each time that so many were registered, Lucene goes over all that it has; while they wait,
    // each of their passes takes 32 kB.
    configuration.setQueryUpdateBufferSize(50_000 / way.passes);
    return new Monitor(analyzer, presearcher(way), configuration);
  }

  private static void register(Monitor monitor, List<Query> queries) throws IOException {
    List<MonitorQuery> registered = new ArrayList<>(queries.size());
    for (int key = 0; key < queries.size(); key++) {
      registered.add(new MonitorQuery(Integer.toString(key), queries.get(key)));
    }
    monitor.register(registered);
  }

  private void run(Way way) throws IOException {
    List<Query> queries =
        Queries.read(dir.resolve("queries.jsonl"), Integer.MAX_VALUE, way.weights == Weights.TUNED);
    try (Monitor monitor = monitor(way)) {
      long start = THREADS.getCurrentThreadCpuTime();
      register(monitor, queries);
      double registeredPerSecond = queries.size() / ((THREADS.getCurrentThreadCpuTime() - start) / 1e9);
      for (int batch : way.batches) {
        measure(monitor, way, batch, registeredPerSecond);
      }
    }
  }

  private void measure(Monitor monitor, Way way, int batch, double registeredPerSecond) throws IOException {
    pass(monitor, way, batch, before, WARM_UPS * before.size(), capNanos / 2, null);
    Pass best = null;
    Pass longest = null;
    for (int round = 0; round < ROUNDS; round++) {
      Pass pass = pass(monitor, way, batch, tweets, tweets.size(), capNanos / ROUNDS, null);
      best = best == null || pass.perSecond() > best.perSecond() ? pass : best;
      longest = longest == null || pass.tweets > longest.tweets ? pass : longest;
    }
    Path found = dir.resolve(way.name + "-" + batch + ".pairs");
    try (DataOutputStream pairs = new DataOutputStream(new BufferedOutputStream(Files.newOutputStream(found)))) {
      pass(monitor, way, batch, tweets, Math.min(checked, tweets.size()), capNanos / 2, pairs);
    }
    System.out.printf(
        Locale.ROOT,
        "{\"way\": \"%s\", \"lucene\": \"%s\", \"batch\": %d, \"docs_per_s\": %.3f, \"docs\": %d, \"matches\": %d,"
            + " \"candidates\": %.3f, \"errors\": %d, \"registered_per_s\": %.1f}%n",
        way.name,
        Version.LATEST,
        batch,
        best.perSecond(),
        longest.tweets,
        longest.matches,
        (double) longest.candidates / longest.tweets,
        longest.errors,
        registeredPerSecond);
  }

  private TermFilteredPresearcher presearcher(Way way) {
    // A rare term weighs more, whatever its length.
    TermWeightor byFrequency = term -> 1.0 / (1 + frequencies.getOrDefault(term, 0));
    List<CustomQueryHandler> substrings = List.of(new RegexpQueryHandler());
    return switch (way.weights) {
      case DEFAULT -> new TermFilteredPresearcher();
      case FREQUENCY -> way.passes > 1
          ? new MultipassTermFilteredPresearcher(way.passes, 0, byFrequency, List.of(), Set.of())
          : new TermFilteredPresearcher(byFrequency, List.of(), Set.of());
      case TUNED -> new TermFilteredPresearcher(byFrequency, substrings, Set.of());
    };
  }

  /**
   * Matches {@code n} tweets, again from the first when there are fewer, or as many as it can
   * within the cap. Writes the matches as pairs if
   * asked to.
   */
  private static Pass pass(
      Monitor monitor, Way way, int batch, Tweets tweets, int n, long capNanos, DataOutputStream pairs)
      throws IOException {
    Pass pass = new Pass();
    int look = 1;
    long wall = System.nanoTime();
    long start = THREADS.getCurrentThreadCpuTime();
    while (pass.tweets < n) {
      int at = pass.tweets % tweets.size();
      int end = Math.min(Math.min(at + batch, tweets.size()), at + n - pass.tweets);
      match(monitor, way, batch, tweets, at, end, pass, pairs);
      pass.tweets += end - at;
      if (pass.tweets >= look) {
        look = pass.tweets + Math.min(pass.tweets, LOOK);
        if (THREADS.getCurrentThreadCpuTime() - start > capNanos || System.nanoTime() - wall > PATIENCE * capNanos) {
          break;
        }
      }
    }
    pass.nanos = THREADS.getCurrentThreadCpuTime() - start;
    return pass;
  }

  private static void match(
      Monitor monitor, Way way, int batch, Tweets tweets, int at, int end, Pass pass, DataOutputStream pairs)
      throws IOException {
    if (batch == 1) {
      MatchingQueries<QueryMatch> found = monitor.match(tweets.document(at, way.words), QueryMatch.SIMPLE_MATCHER);
      pass.matches += found.getMatchCount();
      pass.candidates += found.getQueriesRun();
      pass.errors += found.getErrors().size();
      if (pairs != null) {
        write(pairs, at, found.getMatches());
      }
      return;
    }
    Document[] documents = new Document[end - at];
    for (int document = 0; document < documents.length; document++) {
      documents[document] = tweets.document(at + document, way.words);
    }
    MultiMatchingQueries<QueryMatch> found = monitor.match(documents, QueryMatch.SIMPLE_MATCHER);
    // Each candidate is run over the whole batch.
    pass.candidates += (long) found.getQueriesRun() * documents.length;
    pass.errors += found.getErrors().size();
    for (int document = 0; document < documents.length; document++) {
      pass.matches += found.getMatchCount(document);
      if (pairs != null) {
        write(pairs, at + document, found.getMatches(document));
      }
    }
  }

  /** The tweet, how many queries it matches, and their keys. */
  private static void write(DataOutputStream pairs, int tweet, Iterable<QueryMatch> matches) throws IOException {
    List<Integer> keys = new ArrayList<>();
    matches.forEach(match -> keys.add(Integer.parseInt(match.getQueryId())));
    pairs.writeInt(tweet);
    pairs.writeInt(keys.size());
    for (int key : keys) {
      pairs.writeInt(key);
    }
  }
}
