package peers;

import java.io.BufferedOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
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
import org.apache.lucene.monitor.QueryMatch;
import org.apache.lucene.monitor.RegexpQueryHandler;
import org.apache.lucene.monitor.TermFilteredPresearcher;
import org.apache.lucene.monitor.TermWeightor;
import org.apache.lucene.search.Query;
import org.apache.lucene.util.Version;

/**
 * Lucene Monitor over the queries and tweets of a directory. Prints one JSON object a line for each way of using it.
 *
 * <p>All on one thread. Rates count the processor time of that thread: what the compiler and the garbage collector do on theirs is not counted.
 */
public final class Main {
  private static final int BATCH = 100;
  private static final int ROUNDS = 3;
  private static final int WARM_UP_QUERIES = 10_000;

  /** The cap is processor time, so that a busy machine does not leave the compiler cold; by the clock it may be so many times as long. */
  private static final int PATIENCE = 4;

  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

  /** A way of using the monitor. */
  private record Way(String name, Weights weights, boolean words, int batch) {}

  private enum Weights {
    DEFAULT,
    FREQUENCY,
    TUNED
  }

  /** What a run over tweets gave. */
  private static final class Pass {
    int tweets;
    long matches;
    long candidates;
    long errors;
    long nanos;
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

  /** Arguments: the directory, the time for a way in milliseconds, how many tweets to check match by match, the ways. */
  public static void main(String[] args) throws IOException {
    Main main = new Main(Path.of(args[0]), Long.parseLong(args[1]), Integer.parseInt(args[2]));
    main.warmUp();
    for (String name : args[3].split(",")) {
      String[] parts = name.split("/");
      main.run(
          new Way(
              name.replace('/', '-'),
              Weights.valueOf(parts[0].toUpperCase(Locale.ROOT)),
              parts[1].equals("words"),
              parts[2].equals("batch") ? BATCH : 1));
    }
  }

  /** Lets the compiler see all of it, so that the first way is not slower than the others. */
  private void warmUp() throws IOException {
    List<Query> queries = Queries.read(dir.resolve("queries.jsonl"), false);
    Way way = new Way("", Weights.FREQUENCY, true, 1);
    try (Monitor monitor = monitor(way)) {
      register(monitor, queries.subList(0, Math.min(queries.size(), WARM_UP_QUERIES)));
      pass(monitor, way, before, before.size(), capNanos / 2, null);
    }
  }

  private Monitor monitor(Way way) throws IOException {
    Analyzer analyzer = way.words ? new WhitespaceAnalyzer() : new StandardAnalyzer();
    // Purging the cache is for removed queries; there are none.
    MonitorConfiguration configuration = new MonitorConfiguration().setPurgeFrequency(1, TimeUnit.DAYS);
    configuration.setQueryUpdateBufferSize(50_000);
    return new Monitor(analyzer, presearcher(way.weights), configuration);
  }

  private static void register(Monitor monitor, List<Query> queries) throws IOException {
    List<MonitorQuery> registered = new ArrayList<>(queries.size());
    for (int key = 0; key < queries.size(); key++) {
      registered.add(new MonitorQuery(Integer.toString(key), queries.get(key)));
    }
    monitor.register(registered);
  }

  private void run(Way way) throws IOException {
    List<Query> queries = Queries.read(dir.resolve("queries.jsonl"), way.weights == Weights.TUNED);
    try (Monitor monitor = monitor(way)) {
      long start = THREADS.getCurrentThreadCpuTime();
      register(monitor, queries);
      double registerSeconds = (THREADS.getCurrentThreadCpuTime() - start) / 1e9;

      pass(monitor, way, before, before.size(), capNanos / 2, null);
      try (DataOutputStream pairs =
          new DataOutputStream(
              new BufferedOutputStream(Files.newOutputStream(dir.resolve(way.name + ".pairs"))))) {
        pass(monitor, way, tweets, checked, capNanos / 2, pairs);
      }
      Pass best = null;
      Pass longest = null;
      for (int round = 0; round < ROUNDS; round++) {
        Pass pass = pass(monitor, way, tweets, tweets.size(), capNanos / ROUNDS, null);
        best = best == null || rate(pass) > rate(best) ? pass : best;
        longest = longest == null || pass.tweets > longest.tweets ? pass : longest;
      }
      System.out.printf(
          Locale.ROOT,
          "{\"way\": \"%s\", \"lucene\": \"%s\", \"batch\": %d, \"docs_per_s\": %.3f, \"docs\": %d, \"matches\": %d,"
              + " \"candidates\": %.3f, \"errors\": %d, \"registered_per_s\": %.1f}%n",
          way.name,
          Version.LATEST,
          way.batch,
          rate(best),
          longest.tweets,
          longest.matches,
          (double) longest.candidates / longest.tweets,
          longest.errors,
          queries.size() / registerSeconds);
    }
  }

  private TermFilteredPresearcher presearcher(Weights weights) {
    // A rare term weighs more, whatever its length.
    TermWeightor byFrequency = term -> 1.0 / (1 + frequencies.getOrDefault(term, 0));
    List<CustomQueryHandler> substrings = List.of(new RegexpQueryHandler());
    return switch (weights) {
      case DEFAULT -> new TermFilteredPresearcher();
      case FREQUENCY -> new TermFilteredPresearcher(byFrequency, List.of(), Set.of());
      case TUNED -> new TermFilteredPresearcher(byFrequency, substrings, Set.of());
    };
  }

  private static double rate(Pass pass) {
    return pass.tweets / (pass.nanos / 1e9);
  }

  /** Matches tweets until {@code limit} have passed or the time is over, and writes the matches as pairs if asked to. */
  private static Pass pass(Monitor monitor, Way way, Tweets tweets, int limit, long capNanos, DataOutputStream pairs)
      throws IOException {
    Pass pass = new Pass();
    int end = Math.min(limit, tweets.size());
    long wall = System.nanoTime();
    long start = THREADS.getCurrentThreadCpuTime();
    for (int at = 0; at < end && THREADS.getCurrentThreadCpuTime() - start < capNanos; ) {
      if (System.nanoTime() - wall > PATIENCE * capNanos) {
        break;
      }
      int n = Math.min(way.batch, end - at);
      if (n == 1) {
        MatchingQueries<QueryMatch> found = monitor.match(tweets.document(at, way.words), QueryMatch.SIMPLE_MATCHER);
        pass.matches += found.getMatchCount();
        pass.candidates += found.getQueriesRun();
        pass.errors += found.getErrors().size();
        if (pairs != null) {
          write(pairs, at, found.getMatches());
        }
      } else {
        Document[] documents = new Document[n];
        for (int document = 0; document < n; document++) {
          documents[document] = tweets.document(at + document, way.words);
        }
        MultiMatchingQueries<QueryMatch> found = monitor.match(documents, QueryMatch.SIMPLE_MATCHER);
        // Each candidate is run over the whole batch.
        pass.candidates += (long) found.getQueriesRun() * n;
        pass.errors += found.getErrors().size();
        for (int document = 0; document < n; document++) {
          pass.matches += found.getMatchCount(document);
          if (pairs != null) {
            write(pairs, at + document, found.getMatches(document));
          }
        }
      }
      at += n;
      pass.tweets = at;
    }
    pass.nanos = THREADS.getCurrentThreadCpuTime() - start;
    return pass;
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
