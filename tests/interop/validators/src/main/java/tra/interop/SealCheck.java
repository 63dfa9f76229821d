package tra.interop;

import eu.europa.esig.dss.enumerations.SignatureScopeType;
import eu.europa.esig.dss.enumerations.SubIndication;
import eu.europa.esig.dss.jaxb.object.Message;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.model.policy.ValidationPolicy;
import eu.europa.esig.dss.service.crl.OnlineCRLSource;
import eu.europa.esig.dss.service.ocsp.OnlineOCSPSource;
import eu.europa.esig.dss.simplereport.SimpleReport;
import eu.europa.esig.dss.simplereport.jaxb.XmlSignatureScope;
import eu.europa.esig.dss.simplereport.jaxb.XmlTimestamp;
import eu.europa.esig.dss.spi.DSSUtils;
import eu.europa.esig.dss.spi.validation.CertificateVerifier;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.CommonTrustedCertificateSource;
import eu.europa.esig.dss.spi.x509.aia.DefaultAIASource;
import eu.europa.esig.dss.validation.SignedDocumentValidator;
import eu.europa.esig.dss.validation.reports.Reports;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The European Commission's DSS on a PDF (PAdES) or XML (XAdES) file: by the validation policy
 * DSS ships, unchanged, and for PDF by a strict one (see {@link Policies}).
 *
 * <p>Without {@code loopback} nothing is fetched, so the file has to carry what proves it (levels
 * LT and LTA). With it, OCSP, CRLs and issuers' certificates come from the addresses the
 * certificates name, if those are on this machine.
 */
final class SealCheck {
    private final Path reports;
    private final ValidationPolicy shipped = Policies.shipped();
    private final ValidationPolicy strict = Policies.strict();

    SealCheck(Path reports) throws Exception {
        this.reports = reports;
    }

    Map<String, Object> check(Main.Job job) throws IOException {
        SimpleReport report = validate(job, List.of());
        return Map.of(
                "signatures",
                report.getSignatureIdList().stream().map(id -> seal(report, id)).toList());
    }

    /** DSS's report on the job's file, kept in full beside. */
    SimpleReport validate(Main.Job job, List<DSSDocument> detached) throws IOException {
        DSSDocument document = new FileDocument(job.file());
        SignedDocumentValidator validator = SignedDocumentValidator.fromDocument(document);
        validator.setCertificateVerifier(verifier(job));
        validator.setDetachedContents(detached);
        Reports made = validator.validateDocument(job.strict() ? strict : shipped);
        keep(job.name() + ".dss-simple.xml", made.getXmlSimpleReport());
        keep(job.name() + ".dss-detailed.xml", made.getXmlDetailedReport());
        return made.getSimpleReport();
    }

    private void keep(String name, String report) throws IOException {
        Files.writeString(reports.resolve(name), report);
    }

    private static CertificateVerifier verifier(Main.Job job) {
        CommonTrustedCertificateSource anchors = new CommonTrustedCertificateSource();
        anchors.addCertificate(DSSUtils.loadCertificate(new File(job.anchor())));
        CommonCertificateVerifier verifier = new CommonCertificateVerifier();
        verifier.setTrustedCertSources(anchors);
        verifier.setAIASource(null);
        if (job.loopback()) {
            LoopbackLoader loader = new LoopbackLoader();
            verifier.setAIASource(new DefaultAIASource(loader));
            verifier.setOcspSource(new OnlineOCSPSource(loader));
            verifier.setCrlSource(new OnlineCRLSource(loader));
        }
        return verifier;
    }

    private static Map<String, Object> seal(SimpleReport report, String id) {
        Map<String, Object> said = token(report, id);
        said.put("level", report.getSignatureFormat(id).toString().replace('_', '-'));
        said.put("whole_file", isWhole(report.getSignatureScopes(id)));
        said.put(
                "timestamps",
                report.getSignatureTimestamps(id).stream()
                        .map(stamp -> timestamp(report, stamp))
                        .toList());
        return said;
    }

    private static Map<String, Object> timestamp(SimpleReport report, XmlTimestamp stamp) {
        Map<String, Object> said = token(report, stamp.getId());
        said.put("whole_file", isWhole(stamp.getTimestampScope()));
        return said;
    }

    private static boolean isWhole(List<XmlSignatureScope> scopes) {
        return scopes.stream().anyMatch(scope -> scope.getScope() == SignatureScopeType.FULL);
    }

    /** What DSS says of a signature, a time-stamp or an evidence record. */
    static Map<String, Object> token(SimpleReport report, String id) {
        Map<String, Object> said = new LinkedHashMap<>();
        SubIndication why = report.getSubIndication(id);
        said.put("indication", report.getIndication(id).toString().replace('_', '-'));
        said.put("sub_indication", why == null ? null : why.toString());
        said.put("errors", texts(report.getAdESValidationErrors(id)));
        said.put("warnings", texts(report.getAdESValidationWarnings(id)));
        return said;
    }

    private static List<String> texts(List<Message> messages) {
        return messages.stream().map(message -> message.getKey() + ": " + message.getValue()).toList();
    }
}
