package peers;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.lucene.document.Document;
import org.apache.lucene.document.Field;
import org.apache.lucene.document.LongPoint;
import org.apache.lucene.document.StringField;
import org.apache.lucene.document.TextField;
import org.apache.lucene.index.Term;

/** The tweets of a file, one JSON object a line. */
final class Tweets {
  /**
   * One tweet.
   *
   * @param text as it was written
   * @param words perch's words of it, joined by spaces
   * @param terms field and term, by turns
   * @param values of the fields in {@code valueFields}
   */
  private record Tweet(String text, String words, String[] terms, String[] valueFields, long[] values) {}

  private final List<Tweet> tweets = new ArrayList<>();

  static Tweets read(Path file) throws IOException {
    Tweets read = new Tweets();
    ObjectMapper json = new ObjectMapper();
    Map<String, String> names = new HashMap<>();
    try (BufferedReader lines = Files.newBufferedReader(file)) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        JsonNode tweet = json.readTree(line);
        List<String> terms = new ArrayList<>();
        for (JsonNode term : tweet.get("terms")) {
          terms.add(names.computeIfAbsent(term.get(0).asText(), name -> name));
          terms.add(term.get(1).asText());
        }
        JsonNode values = tweet.get("values");
        String[] valueFields = new String[values.size()];
        long[] numbers = new long[values.size()];
        for (int at = 0; at < numbers.length; at++) {
          valueFields[at] = names.computeIfAbsent(values.get(at).get(0).asText(), name -> name);
          numbers[at] = values.get(at).get(1).asLong();
        }
        read.tweets.add(
            new Tweet(
                tweet.get("text").asText(),
                tweet.get("words").asText(),
                terms.toArray(String[]::new),
                valueFields,
                numbers));
      }
    }
    return read;
  }

  int size() {
    return tweets.size();
  }

  /** The tweet as Lucene takes it, of its words or of its text. */
  Document document(int at, boolean words) {
    Tweet tweet = tweets.get(at);
    Document document = new Document();
    document.add(new TextField("text", words ? tweet.words : tweet.text, Field.Store.NO));
    for (int term = 0; term < tweet.terms.length; term += 2) {
      document.add(new StringField(tweet.terms[term], tweet.terms[term + 1], Field.Store.NO));
    }
    for (int value = 0; value < tweet.values.length; value++) {
      document.add(new LongPoint(tweet.valueFields[value], tweet.values[value]));
    }
    return document;
  }

  /** In how many tweets each term is. */
  Map<Term, Integer> documentFrequencies() {
    Map<Term, Integer> frequencies = new HashMap<>();
    for (Tweet tweet : tweets) {
      Set<Term> terms = new HashSet<>();
      for (String word : tweet.words.split(" ")) {
        terms.add(new Term("text", word));
      }
      for (int term = 0; term < tweet.terms.length; term += 2) {
        terms.add(new Term(tweet.terms[term], tweet.terms[term + 1]));
      }
      terms.forEach(term -> frequencies.merge(term, 1, Integer::sum));
    }
    return frequencies;
  }
}
