import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.TreeSet;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.flavours.PDFAFlavour;
import org.verapdf.pdfa.results.TestAssertion;
import org.verapdf.pdfa.results.ValidationResult;

/**
 * Holds each PDF given to PDF/A-3a (ISO 19005-3) and PDF/UA-1 (ISO 14289-1). As a control, a copy of each that claims
 * another part in its metadata must be refused: a validator that passes everything shows nothing.
 */
public final class Validate {
  private static final PDFAFlavour[] FLAVOURS = {PDFAFlavour.PDFA_3_A, PDFAFlavour.PDFUA_1};
  private static final String[] CLAIMS = {"<pdfaid:part>3<", "<pdfuaid:part>1<"};
  private static final int SHOWN = 20;

  public static void main(String[] files) throws Exception {
    VeraGreenfieldFoundryProvider.initialise();
    boolean good = files.length > 0;
    for (String file : files) {
      byte[] pdf = Files.readAllBytes(Path.of(file));
      for (int i = 0; i < FLAVOURS.length; i++) {
        ValidationResult result = validate(pdf, FLAVOURS[i]);
        boolean control = !validate(other(pdf, CLAIMS[i]), FLAVOURS[i]).isCompliant();
        good &= result.isCompliant() && control;
        System.out.printf(
            "%-9s %s  %,d checks, %s; another claim %s%n",
            FLAVOURS[i].getId().equals("3a") ? "PDF/A-3a" : "PDF/UA-1",
            Path.of(file).getFileName(),
            result.getTotalAssertions(),
            result.isCompliant() ? "compliant" : "NOT COMPLIANT",
            control ? "refused" : "NOT REFUSED");
        TreeSet<String> failed = new TreeSet<>();
        for (TestAssertion assertion : result.getTestAssertions()) {
          if (assertion.getStatus() == TestAssertion.Status.FAILED) {
            failed.add(assertion.getRuleId().getClause() + ": " + assertion.getMessage());
          }
        }
        failed.stream().limit(SHOWN).forEach(line -> System.out.println("    " + line));
      }
    }
    System.exit(good ? 0 : 1);
  }

  private static ValidationResult validate(byte[] pdf, PDFAFlavour flavour) throws Exception {
    try (var parser = Foundries.defaultInstance().createParser(new ByteArrayInputStream(pdf), flavour);
        var validator = Foundries.defaultInstance().createValidator(flavour, SHOWN, false, false, false)) {
      return validator.validate(parser);
    }
  }

  /** The same bytes, but that the claim names part 9. */
  private static byte[] other(byte[] pdf, String claim) {
    String text = new String(pdf, StandardCharsets.ISO_8859_1);
    int at = text.indexOf(claim);
    if (at < 0) {
      throw new IllegalArgumentException("no claim of a part in its metadata");
    }
    byte[] changed = pdf.clone();
    changed[at + claim.length() - 2] = '9';
    return changed;
  }
}
