package tra.interop;

import java.io.File;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.verapdf.core.XmlSerialiser;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.PDFAParser;
import org.verapdf.pdfa.PDFAValidator;
import org.verapdf.pdfa.flavours.PDFAFlavour;
import org.verapdf.pdfa.results.ValidationResult;
import org.verapdf.pdfa.validation.profiles.RuleId;

/** veraPDF's verdict on PDF/A-3a (ISO 19005-3), whatever the file says of itself. */
final class PdfACheck {
    private static final PDFAFlavour FLAVOUR = PDFAFlavour.PDFA_3_A;
    private final Path reports;

    PdfACheck(Path reports) {
        VeraGreenfieldFoundryProvider.initialise();
        this.reports = reports;
    }

    Map<String, Object> check(Main.Job job) throws Exception {
        try (PDFAParser parser =
                        Foundries.defaultInstance().createParser(new File(job.file()), FLAVOUR);
                PDFAValidator validator =
                        Foundries.defaultInstance().createValidator(FLAVOUR, false)) {
            ValidationResult result = validator.validate(parser);
            keep(result, job.name());
            return Map.of("compliant", result.isCompliant(), "failed", failed(result));
        }
    }

    private void keep(ValidationResult result, String name) throws Exception {
        Path path = reports.resolve(name + ".verapdf.xml");
        try (OutputStream out = Files.newOutputStream(path)) {
            XmlSerialiser.toXml(result, out, true, true);
        }
    }

    private static List<String> failed(ValidationResult result) {
        return result.getFailedChecks().keySet().stream()
                .map(PdfACheck::rule)
                .collect(Collectors.toCollection(TreeSet::new))
                .stream()
                .toList();
    }

    private static String rule(RuleId id) {
        return id.getClause() + "-" + id.getTestNumber();
    }
}
