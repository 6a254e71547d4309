package peers;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.lucene.document.LongPoint;
import org.apache.lucene.index.Term;
import org.apache.lucene.search.AutomatonQuery;
import org.apache.lucene.search.BooleanClause.Occur;
import org.apache.lucene.search.BooleanQuery;
import org.apache.lucene.search.FuzzyQuery;
import org.apache.lucene.search.MatchAllDocsQuery;
import org.apache.lucene.search.PhraseQuery;
import org.apache.lucene.search.PrefixQuery;
import org.apache.lucene.search.Query;
import org.apache.lucene.search.RegexpQuery;
import org.apache.lucene.search.TermQuery;
import org.apache.lucene.search.WildcardQuery;
import org.apache.lucene.util.automaton.LevenshteinAutomata;
import org.apache.lucene.util.automaton.Operations;
import org.apache.lucene.util.automaton.RegExp;

/** The queries of the file, one JSON object a line, as Lucene says them. */
final class Queries {
  /** As many as a boolean query takes, so that no fuzzy term is cut off in a large batch. */
  private static final int EXPANSIONS = 1_024;

  private static final ObjectMapper JSON = new ObjectMapper();

  private Queries() {}

  /**
   * Reads the queries, so many at most.
   *
   * @param tuned say patterns in the form that {@code RegexpQueryHandler} looks into, where it does
   *     so soundly, and fuzzy terms in the
   *     form that is quick to run
   */
  static List<Query> read(Path file, int most, boolean tuned) throws IOException {
    List<Query> queries = new ArrayList<>();
    try (BufferedReader lines = Files.newBufferedReader(file)) {
      for (String line = lines.readLine(); line != null && queries.size() < most; line = lines.readLine()) {
        queries.add(query(JSON.readTree(line), tuned));
      }
    }
    return queries;
  }

  private static Query query(JsonNode node, boolean tuned) {
    String kind = node.fieldNames().next();
    JsonNode is = node.get(kind);
    return switch (kind) {
      case "term" -> new TermQuery(term(is));
      case "prefix" -> tuned
          ? new RegexpQuery(new Term(is.get(0).asText(), is.get(1).asText() + ".*"), RegExp.NONE)
          : new PrefixQuery(term(is));
      case "wildcard" -> tuned
          ? new RegexpQuery(
              new Term(is.get(0).asText(), is.get(1).asText().replace("?", ".").replace("*", ".*")), RegExp.NONE)
          : new WildcardQuery(term(is));
      case "regex" -> regex(term(is), tuned);
      // A FuzzyQuery builds its automaton each time that it is run; the other kind keeps it.
      case "fuzzy" -> tuned
          ? new AutomatonQuery(
              term(is), new LevenshteinAutomata(is.get(1).asText(), true).toAutomaton(is.get(2).asInt()))
          : new FuzzyQuery(term(is), is.get(2).asInt(), 0, EXPANSIONS, true);
      case "phrase" -> {
        List<String> terms = new ArrayList<>();
        is.get(1).forEach(word -> terms.add(word.asText()));
        yield new PhraseQuery(is.get(0).asText(), terms.toArray(String[]::new));
      }
      case "range" -> LongPoint.newRangeQuery(is.get(0).asText(), is.get(1).asLong(), is.get(2).asLong());
      case "and" -> {
        BooleanQuery.Builder all = new BooleanQuery.Builder();
        boolean anyMust = false;
        for (JsonNode part : is) {
          boolean not = part.has("not");
          all.add(query(not ? part.get("not") : part, tuned), not ? Occur.MUST_NOT : Occur.MUST);
          anyMust |= !not;
        }
        if (!anyMust) {
          all.add(new MatchAllDocsQuery(), Occur.MUST);
        }
        yield all.build();
      }
      case "or" -> {
        BooleanQuery.Builder any = new BooleanQuery.Builder();
        is.forEach(part -> any.add(query(part, tuned), Occur.SHOULD));
        yield any.build();
      }
      case "not" -> new BooleanQuery.Builder()
          .add(new MatchAllDocsQuery(), Occur.MUST)
          .add(query(is, tuned), Occur.MUST_NOT)
          .build();
      default -> throw new IllegalArgumentException("no query is a " + kind);
    };
  }

  /**
   * A regular expression. {@code RegexpQueryHandler} takes brackets and alternatives for text, so
   * it may only see expressions without;
   * others are handed over as plain automata, for which each tweet is a candidate.
   */
  private static Query regex(Term term, boolean tuned) {
    if (tuned && !term.text().matches("[\\p{L}\\p{N}?]+")) {
      return new AutomatonQuery(
          term,
          Operations.determinize(
              new RegExp(term.text(), RegExp.NONE).toAutomaton(), Operations.DEFAULT_DETERMINIZE_WORK_LIMIT));
    }
    return new RegexpQuery(term, RegExp.NONE);
  }

  private static Term term(JsonNode is) {
    return new Term(is.get(0).asText(), is.get(1).asText());
  }
}
